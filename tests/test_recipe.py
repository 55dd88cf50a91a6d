import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinysight.errors import RecipeError
from tinysight.models import resolve
from tinysight.recipe import Augment, Facts, Model, Optim, Recipe
from tinysight.recipes import RECIPES


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("pictures", [1, 2, 100, 1_294, 45_000, 1_000_000])
def test_every_recipe_is_valid_for_any_number_of_pictures(name: str, pictures: int) -> None:
    recipe = RECIPES[name](Facts(pictures=pictures))
    assert recipe.name == name
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_json_holds_every_field() -> None:
    assert set(json.loads(Recipe().to_json())) == set(Recipe.model_fields)


def test_override_changes_one_field_and_leaves_the_original() -> None:
    recipe = Recipe()
    changed = recipe.override("optim.lr", 0.5).override("augment.flip", "true")
    assert (changed.optim.lr, changed.augment.flip) == (0.5, True)
    assert (recipe.optim.lr, recipe.augment.flip) == (0.1, False)
    assert changed.override("optim.lr", 0.1).override("augment.flip", False) == recipe


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("epochs", "4", 4),
        ("optim.lr", "1e-3", 1e-3),
        ("optim.nesterov", "false", False),
        ("patience", "none", None),
        ("data.size", "64", 64),
        ("optim.betas", "[0.8, 0.9]", (0.8, 0.9)),
        ("loss.class_weights", "balanced", "balanced"),
        ("loss.class_weights", "[1, 2]", (1.0, 2.0)),
        ("loss.class_weights", "1,2", (1.0, 2.0)),
        ("name", "3", "3"),
        ("epochs", "1_000", 1000),
        ("optim.lr", ".5", 0.5),
        ("optim.lr", "5.", 5.0),
        ("optim.momentum", "0", 0.0),
        ("augment.flip", "yes", True),
        ("augment.flip", "True", True),
        ("optim.nesterov", "0", False),
        ("data.label", "1,2", "1,2"),
        ("data.size", "None", None),
        ("model.name", "3", "3"),
    ],
)
def test_text_from_the_command_line_is_read_as_the_field_s_type(
    path: str, text: str, value: object
) -> None:
    # adam, which alone reads betas.
    optim = Optim(name="adam" if path == "optim.betas" else "sgd")
    found = Recipe(optim=optim).override(path, text)
    for part in path.split("."):
        found = getattr(found, part)
    assert found == value


def test_a_bare_name_chooses_the_model_and_drops_the_other_s_options() -> None:
    recipe = Recipe().override("model.width", "16")
    assert recipe.model.options == {"width": 16}
    assert recipe.override("model", "resnet18").model == Model(name="resnet18")


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("optim.lr", "nan", "optim.lr must be a finite number, got nan"),
        ("optim.lr", "inf", "optim.lr must be a finite number, got inf"),
        ("optim.lr", -1, "optim.lr must be greater than 0, got -1"),
        ("epochs", "0", "epochs must be greater than 0, got 0"),
        ("epochs", "two", "^epochs must be a number, got 'two'$"),
        ("epochs", True, "^epochs must be a number, got True$"),
        ("seed", "1.5", "^seed must be a whole number, got 1.5$"),
        ("seed", 1.5, "^seed must be a whole number, got 1.5$"),
        ("seed", True, "^seed must be a whole number, got True$"),
        ("seed", np.bool_(True), "^seed must be a whole number, got np.True_$"),
        ("optim", {"lr": True}, "^optim.lr must be a number, got True$"),
        ("optim", {"lr": "0.1"}, "^optim.lr must be a number, got '0.1'$"),
        ("optim", "adam", "^optim must be a group of fields, got 'adam'$"),
        (
            "optim",
            {"name": ["sgd"]},
            "^optim.name must be 'sgd', 'adam', 'adamw' or 'muon', got ..sgd",
        ),
        ("optim.lr", "x", "^optim.lr must be a number, got 'x'$"),
        ("optim.lr", "1" * 41, "^optim.lr must be a number, got '1+'$"),
        ("augment.flip", "perhaps", "^augment.flip must be true or false, got 'perhaps'$"),
        ("augment.flip", 1, "^augment.flip must be true or false, got 1$"),
        ("optim.betas", 3, "^optim.betas must be a list, got 3$"),
        ("optim.betas", "0.9", r"^optim.betas.1 is missing, got \[0.9\]$"),
        ("optim.betas", "1,2,3", r"^optim.betas has too many values, got \[1, 2, 3\]$"),
        ("loss.class_weights", "x", "^loss.class_weights must be 'balanced' or a list, got 'x'$"),
        ("loss.class_weights", [1, "2"], "^loss.class_weights.1 must be a number, got '2'$"),
        ("name", 3, "^name must be text, got 3$"),
        ("name", "a b", "^name must match pattern .*, got 'a b'$"),
        ("batch_size", 0, "batch_size must be greater than or equal to 1, got 0"),
        ("seed", -1, "seed must be greater than or equal to 0, got -1"),
        ("lerning_rate", 1, "unknown recipe field 'lerning_rate'; did you mean 'optim.lr'"),
        ("lr", 1, "unknown recipe field 'lr'; did you mean 'optim.lr'"),
        ("optim.lr.x", 1, "unknown recipe field 'optim.lr.x'"),
        ("OPTIM.LR", 1, "did you mean 'optim.lr'"),
        ("batch-size", 1, r"did you mean 'batch_size'\? \(all: tinysight recipes --schema\)"),
        ("x\n" * 99, 1, r"unknown recipe field 'x\\nx.*….*'. Known: format, .*, optim.…, "),
        ("epochs", "9" * 5000, "epochs .*, got .9+…9+"),
        ("schedule", {"name": "cosine", "warmup": 10}, "must end before the training does, after"),
        ("augment.rotat", 1, "did you mean 'augment.rotate'"),
        ("augment.fill", "black", "augment.fill must be 'zero' or 'reflect', got 'black'"),
        ("optim.name", "lion", "optim.name must be 'sgd', 'adam', 'adamw' or 'muon', got 'lion'"),
        ("optim.betas", (0.9, 1.5), r"optim.betas must lie in \[0, 1\), got \[0.9, 1.5\]"),
        ("format", 2, "format must be 1, got 2"),
        ("loss.class_weights", [1, -1], r"must be 0 or more, at least one .*got \[1.0, -1.0\]"),
        ("loss.class_weights", [0, 0], r"at least one of them above 0, got \[0.0, 0.0\]"),
        ("loss.class_weights", [], r"at least one of them above 0, got \[\]"),
        ("loss.class_weights", "[1, NaN]", "loss.class_weights.1 must be a finite number"),
        (
            "schedule.warmup",
            1,
            "^schedule.warmup=1.0 has no effect with onecycle, only constant, cosine, linear and "
            "plateau read it; leave it at 0.0 or choose another schedule.name$",
        ),
        (
            "schedule.patience",
            "3",
            "patience=3 has no effect with onecycle, only plateau reads it;",
        ),
        (
            "schedule",
            {"name": "cosine", "peak": 0.5},
            "peak=0.5 has no effect with cosine, only one",
        ),
        (
            "schedule",
            {"name": "constant", "end": 1},
            "end=1.0 has no effect with constant, only cos",
        ),
        (
            "schedule",
            {"name": "cosine", "factor": 0.5},
            "factor=0.5 has no effect with cosine, onl",
        ),
        (
            "schedule",
            {"name": "cosine", "start": 0.5},
            "schedule.start=0.5 has no effect with cosine, only onecycle and a warm-up read it",
        ),
        (
            "optim",
            {"name": "adamw", "momentum": 0.5},
            "^optim.momentum=0.5 has no effect with adamw, only sgd and muon read it; leave it",
        ),
        (
            "optim",
            {"name": "adam", "nesterov": False},
            "nesterov=False has no effect with adam, on",
        ),
        (
            "optim.betas",
            "0.8,0.9",
            r"betas=\(0.8, 0.9\) has no effect with sgd, only adam and adamw",
        ),
        ("optim.eps", 1e-6, "eps=1e-06 has no effect with sgd, only adam and adamw read it"),
    ],
)
def test_a_wrong_field_or_value_is_refused(path: str, value: object, text: str) -> None:
    with pytest.raises(RecipeError, match=text):
        Recipe().override(path, value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "recipe is not JSON"),
        ("[1]", "recipe must be a JSON object, got list"),
        ('{"epohcs": 3}', "unknown recipe field 'epohcs'; did you mean 'epochs'"),
    ],
)
def test_json_that_is_no_recipe_is_refused(text: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Recipe.from_json(text)


def test_a_recipe_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"cannot read the recipe .*none.json: No such file"):
        Recipe.from_json(tmp_path / "none.json")


def test_a_recipe_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Recipe().epochs = 3  # pyright: ignore[reportAttributeAccessIssue]


def test_the_schema_describes_every_field() -> None:
    schema = Recipe.model_json_schema()
    assert set(schema["properties"]) == set(Recipe.model_fields)
    assert schema["$defs"]["Optim"]["properties"]["lr"]["exclusiveMinimum"] == 0
    assert Optim.model_fields["lr"].description


def test_changed_fields_are_named_with_their_defaults() -> None:
    assert Recipe().changed() == []
    recipe = Recipe(name="x").override("model.width", 8).override("optim.lr", 0.2)
    assert recipe.changed() == [("model.width", 8, None), ("optim.lr", 0.2, Recipe().optim.lr)]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"\xff\xfe{}", "recipe.json is not a recipe: no UTF-8 text"),
        (b"[" * 100_000, "recipe.json is not JSON: maximum recursion depth"),
        (b"\xef\xbb\xbf{}", "recipe.json is not JSON: Unexpected UTF-8 BOM"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused_in_one_line(
    raw: bytes, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "recipe.json"
    file.write_bytes(raw)
    with pytest.raises(RecipeError, match=said) as caught:
        Recipe.from_json(file)
    assert "\n" not in str(caught.value)
    with pytest.raises(RecipeError, match="cannot read the recipe .*null byte"):
        Recipe.from_json(Path("a\0b"))


def test_fields_that_are_valid_only_together_may_come_in_any_order() -> None:
    values = {"schedule.warmup": "1", "schedule.name": "cosine"}
    found = Recipe().override_all(values)
    assert (found.schedule.name, found.schedule.warmup) == ("cosine", 1.0)
    assert Recipe().override_all(dict(reversed(values.items()))) == found
    wide = Recipe().override_all({"model": "plain", "model.width": "8"}).model
    assert (wide.name, wide.options) == ("plain", {"width": 8})


def test_a_part_is_replaced_before_its_fields_whatever_the_order() -> None:
    fields = {"model.width": 16, "model": "resnet18"}
    for given in (fields, dict(reversed(fields.items()))):
        found = Recipe().override_all(given).model
        assert (found.name, found.options) == ("resnet18", {"width": 16})


def test_text_is_read_as_a_number_on_the_command_line_alone() -> None:
    for text, said in (
        ('{"seed": "7"}', "seed must be a whole number, got '7'"),
        ('{"optim": {"lr": "0.1"}}', "optim.lr must be a number, got '0.1'"),
        ('{"optim": {"betas": ["0.9", 0.99]}}', "optim.betas.0 must be a number, got '0.9'"),
        ('{"augment": {"flip": "true"}}', "augment.flip must be true or false, got 'true'"),
    ):
        with pytest.raises(RecipeError, match=f"^{re.escape(said)}$"):
            Recipe.from_json(text)


def test_numbers_of_numpy_are_numbers() -> None:
    found = Recipe(epochs=np.int64(3), optim={"lr": np.float32(0.5), "weight_decay": np.int8(0)})
    assert (found.epochs, found.optim.lr, found.optim.weight_decay) == (3, 0.5, 0.0)
    assert Recipe.from_json(found.to_json()) == found


def test_fields_that_the_chosen_name_reads_are_taken() -> None:
    for fields in (
        {"optim.name": "sgd", "optim.momentum": 0.0, "optim.nesterov": False},
        {"optim.name": "adam", "optim.betas": (0.8, 0.9), "optim.eps": 1e-6},
        {"schedule.peak": 0.5, "schedule.start": 0.0, "schedule.end": 0.1},
        {"schedule.name": "cosine", "schedule.warmup": 1, "schedule.start": 0.5},
        {"schedule.name": "cosine", "schedule.end": 0.5},
        {"schedule.name": "plateau", "schedule.factor": 0.5, "schedule.patience": 2},
    ):
        found = Recipe().override_all(fields)
        assert Recipe.from_json(found.to_json()) == found


def agrees(value: Any, schema: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Whether a JSON value is what a schema describes: as much of JSON Schema as ours uses."""
    rest = dict(schema)
    for word in ("title", "description", "default", "$defs"):
        rest.pop(word, None)
    if "$ref" in rest:
        return agrees(value, whole["$defs"][rest.pop("$ref").rpartition("/")[2]], whole)
    if "anyOf" in rest:
        return any(agrees(value, branch, whole) for branch in rest.pop("anyOf"))
    kinds = {
        "object": dict, "array": list, "string": str, "integer": int, "boolean": bool,
        "number": (int, float), "null": type(None),
    }  # fmt: skip
    kind = rest.pop("type")
    if not isinstance(value, kinds[kind]) or isinstance(value, bool) != (kind == "boolean"):
        return False
    fields, more = rest.pop("properties", {}), rest.pop("additionalProperties", True)
    first, items = rest.pop("prefixItems", []), rest.pop("items", {})
    found = [agrees(value[k], fields[k], whole) if k in fields else more for k in value] if (
        kind == "object"
    ) else []  # fmt: skip
    if kind == "array":
        found += [agrees(v, s, whole) for v, s in zip(value, first, strict=False)]
        found += [agrees(v, items, whole) for v in value[len(first) :]]
    tests = {
        "const": lambda given: value == given,
        "enum": lambda given: value in given,
        "minimum": lambda given: value >= given,
        "maximum": lambda given: value <= given,
        "exclusiveMinimum": lambda given: value > given,
        "exclusiveMaximum": lambda given: value < given,
        "minItems": lambda given: len(value) >= given,
        "maxItems": lambda given: len(value) <= given,
        "minLength": lambda given: len(value) >= given,
        "maxLength": lambda given: len(value) <= given,
        "pattern": lambda given: re.search(given, value) is not None,
    }
    return all(found) and all(tests[word](given) for word, given in rest.items())


@pytest.mark.parametrize("name", RECIPES)
def test_the_schema_takes_what_is_read_and_refuses_what_is_refused(name: str) -> None:
    schema = Recipe.model_json_schema()
    whole = json.loads(RECIPES[name](Facts()).to_json())
    options = {"name": "resnet18", "width": 32}
    for fields in ({}, {"model": "resnet18"}, {"model": options}, {"patience": 3}, {"ema": 0}):
        assert agrees(whole | fields, schema, schema), fields
        Recipe(**(whole | fields))
    assert agrees({"model": "resnet18"}, schema, schema)
    for fields in (
        {"model": 3},
        {"model": {"name": 3}},
        {"epochs": 0},
        {"seed": "7"},
        {"name": "a b"},
        {"epohcs": 3},
        {"precision": "fp16"},
        {"augment": {"flip": 1}},
        {"optim": {"betas": [0.9]}},
    ):
        assert not agrees(whole | fields, schema, schema), fields
        with pytest.raises(RecipeError):
            Recipe(**(whole | fields))


@pytest.mark.parametrize(
    ("fields", "name"),
    [({"patience": 3}, "patience"), ({"schedule.name": "plateau"}, "schedule.name=plateau")],
)
def test_a_final_fit_has_no_validation_to_follow(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(RecipeError, match=f"final=true leaves no validation for {name} to follow"):
        Recipe().override_all({"final": True, **fields})


def test_a_speednet_has_three_widths() -> None:
    with pytest.raises(RecipeError, match="model.widths must be a list of 3 widths, such as"):
        resolve(Model.model_validate({"name": "speednet", "widths": [64, 256]}))


def test_another_model_begins_on_pictures_of_full_size() -> None:
    small = Recipe(augment=Augment(shrink=0.75))
    assert small.override_all({"model": "p3", "epochs": 3}).augment.shrink == 1
    assert small.override("model.name", "p3").augment.shrink == 1
    assert small.override("model", small.model.name).augment.shrink == 0.75
    assert small.override_all({"augment.shrink": 0.5, "model": "p3"}).augment.shrink == 0.5
    asked = {"model": "p3", "augment": {"shrink": 0.625}}
    assert small.override_all(asked).augment.shrink == 0.625


@pytest.mark.parametrize("order", [1, -1])
def test_another_name_brings_its_own_defaults(order: int) -> None:
    fast = RECIPES["fast"](Facts())
    given = [("optim.name", "adam"), ("optim.weight_decay", 0.01)][::order]
    changed = fast.override_all(dict(given))
    assert changed.optim == Optim(name="adam", lr=1e-3, weight_decay=0.01)
    assert fast.override("optim.name", "muon") == fast
    assert fast.override("model.name", "resnet9").model.options == {}


@pytest.mark.parametrize(("name", "lr"), [("sgd", 0.1), ("muon", 0.12), ("adamw", 1e-3)])
def test_each_optimiser_has_a_rate_of_its_own(name: Any, lr: float) -> None:
    assert Optim(name=name).lr == lr
    assert Optim(name=name, lr=0.3).lr == 0.3


def test_epochs_are_whole_where_they_can_be() -> None:
    assert [repr(Recipe(epochs=n).epochs) for n in (3, 3.0, 0.4)] == ["3", "3", "0.4"]
    assert '"epochs": 3,' in Recipe(epochs=3.0).to_json()
    assert Recipe().override("epochs", "0.4").epochs == 0.4


@pytest.mark.parametrize(
    ("fields", "on"),
    [
        ({}, False),
        ({"alternate": True, "fill": "zero", "shrink_until": 0.25}, False),
        ({"flip": True}, True),
        ({"shrink": 0.75}, True),
        ({"mixup": 0.2}, True),
    ],
)
def test_augmentation_is_on_where_a_picture_is_changed(fields: dict[str, Any], on: bool) -> None:
    assert Augment(**fields).on is on
