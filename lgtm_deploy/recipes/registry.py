"""The registry of recipes: those that come with the tool, and those of other packages."""

from collections.abc import Mapping
from importlib.metadata import entry_points

from lgtm_deploy.core.output import RecipeError
from lgtm_deploy.core.recipe import Recipe
from lgtm_deploy.recipes.health_check_migration import HealthCheckMigration
from lgtm_deploy.recipes.release import Release
from lgtm_deploy.recipes.url_rewrite import UrlRewrite

GROUP = "lgtm_deploy.recipes"
BUNDLED: Mapping[str, type[Recipe]] = {
    "health-check-migration": HealthCheckMigration,
    "release": Release,
    "url-rewrite": UrlRewrite,
}


def recipes() -> Mapping[str, type[Recipe]]:
    """Return all recipes by the name that plan files use.

    Raises RecipeError: an entry point cannot be loaded, is no recipe, or has the name of another one.
    """
    found = dict(BUNDLED)
    for each in entry_points(group=GROUP):
        try:
            kind = each.load()
        except Exception as error:  # a package of others may raise anything while it is imported
            raise RecipeError(f"Recipe '{each.name}' ({each.value}) cannot be loaded: {error}.") from error
        if not (isinstance(kind, type) and issubclass(kind, Recipe)):
            raise RecipeError(f"Recipe '{each.name}' ({each.value}) is not a class derived from Recipe.")
        if each.name in found and found[each.name] is not kind:
            raise RecipeError(f"Two recipes have the name '{each.name}'.", resolution="Rename one entry point.")
        found[each.name] = kind
    return found
