"""The recipes that come with the tool, one file each, and the registry of all recipes.

A recipe builds a step graph from a plan file's options. It takes no decision at run time and calls nothing outside.
"""
