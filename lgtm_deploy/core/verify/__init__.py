"""Is the stack really working? What is asked of it, and what an answer means: nothing here asks anything itself."""
