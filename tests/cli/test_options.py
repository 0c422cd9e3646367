import pytest

from progsearch.cli.recipe_options import recipe_of
from progsearch.config import Recipe, write_yaml
from progsearch.errors import ConfigError, TaskError
from progsearch.words import recipe_options, seconds_of


@pytest.fixture
def recipe_file(tmp_path):
    path = tmp_path / "recipe.yaml"
    write_yaml(
        path,
        {
            "task": {"name": "mrpc", "max_length": 64},
            "training": {"epochs": 5, "batch_size": 8},
            "budget": 7,
        },
    )
    return path


def test_options_go_over_the_file_and_the_file_over_the_defaults(recipe_file):
    recipe = recipe_of(
        recipe_file,
        {"epochs": 2, "max_length": None, "batch_size": None, "objective": [], "seed": 0},
    )
    assert recipe.training.epochs == 2
    assert recipe.training.batch_size == 8
    assert recipe.training.precision == "auto"
    assert recipe.task.max_length == 64
    assert recipe.budget == 7
    assert recipe.objectives == ("metric", "updated_parameters")


def test_lists_and_durations_are_read(recipe_file):
    recipe = recipe_of(
        recipe_file,
        {"method": "full, lora", "objective": ["metric", "flops"], "time": "1h30m"},
    )
    assert recipe.methods == ("full", "lora")
    assert recipe.objectives == ("metric", "flops")
    assert recipe.time_limit == 5400


def test_every_option_has_a_place_in_a_recipe():
    def place_exists(model, place):
        head, _, rest = place.partition(".")
        field = model.model_fields[head]
        return place_exists(field.annotation, rest) if rest else True

    assert all(place_exists(Recipe, ".".join(option.place)) for option in recipe_options())


def test_a_training_file_is_a_task_of_its_own_name(tmp_path):
    recipe = recipe_of(None, {"train_file": str(tmp_path / "reviews.csv")})
    assert recipe.task.name == "reviews"


def test_paths_become_absolute_and_names_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "minilm-l6").mkdir()
    (tmp_path / "space.yaml").touch()
    options = {"task": "mrpc", "data_dir": "glue", "model": "model", "space": "space.yaml"}
    recipe = recipe_of(None, options)
    assert recipe.task.data_dir == str(tmp_path / "glue")
    assert recipe.model == str(tmp_path / "model")
    assert recipe.space == str(tmp_path / "space.yaml")
    assert recipe_of(None, {"task": "mrpc", "model": "minilm-l6"}).model == "minilm-l6"
    assert recipe_of(None, {"task": "mrpc", "model": "gpt2"}).model == "gpt2"


def test_a_mistake_in_an_option_carries_its_name():
    with pytest.raises(ConfigError, match=r"^--budget: .*greater than or equal to 1, got 0$"):
        recipe_of(None, {"task": "mrpc", "budget": 0})
    with pytest.raises(ConfigError, match=r"^--method: .*'full', 'lora'.*got 'lorra'$"):
        recipe_of(None, {"task": "mrpc", "method": "full,lorra"})


def test_mistakes_of_file_and_options_are_told_together(recipe_file):
    recipe_file.write_text("task: {name: mrpc}\nbudgett: 3\n")
    with pytest.raises(ConfigError) as error:
        recipe_of(recipe_file, {"epochs": 0})
    assert {place for place, _ in error.value.problems} == {"budgett", "--epochs"}
    assert str(recipe_file) in str(error.value)


@pytest.mark.parametrize("text", ["- a\n- b\n", "", "just words"])
def test_a_file_that_is_no_mapping_is_no_recipe(recipe_file, text):
    recipe_file.write_text(text)
    with pytest.raises(ConfigError, match="is not a recipe"):
        recipe_of(recipe_file, {"budget": 3})


def test_a_task_that_is_no_mapping_is_the_files_mistake(recipe_file):
    recipe_file.write_text("task: mrpc\n")
    with pytest.raises(ConfigError, match="task"):
        recipe_of(recipe_file, {"max_length": 32})


def test_nothing_to_train_on():
    with pytest.raises(TaskError, match="--task"):
        recipe_of(None, {"budget": 3})


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("30m", 1800), ("90s", 90), ("1h5s", 3605)]
)
def test_durations(text, seconds):
    assert seconds_of(text, "--time") == seconds


@pytest.mark.parametrize("text", ["50%", "50 %", "0.5", ".5"])
def test_shares_may_be_given_in_per_cent(text, recipe_file):
    recipe = recipe_of(None, {"task": "mrpc", "max_updated": text, "min_metric": text})
    assert (recipe.max_updated, recipe.min_metric) == (0.5, 0.5)
    recipe_file.write_text(f"task: {{name: mrpc}}\nmax_updated: {text}\n")
    assert recipe_of(recipe_file, {}).max_updated == 0.5


@pytest.mark.parametrize("text", ["150%", "half", "-1%"])
def test_other_shares_are_refused(text):
    with pytest.raises(ConfigError, match="^--max-updated: "):
        recipe_of(None, {"task": "mrpc", "max_updated": text})


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        ("16GiB", 16 * 2**30),
        ("1.5 gib", 3 * 2**29),
        ("800MB", 800_000_000),
        ("80Gi", 80 * 2**30),
        ("1000000", 1_000_000),
    ],
)
def test_memory_may_be_given_in_units(text, n_bytes, recipe_file):
    assert recipe_of(None, {"task": "mrpc", "max_memory": text}).max_memory == n_bytes
    recipe_file.write_text(f"task: {{name: mrpc}}\nmax_memory: {text}\n")
    assert recipe_of(recipe_file, {}).max_memory == n_bytes


@pytest.mark.parametrize("text", ["much", "-1GiB", "0", "16 GiBs", "1PB"])
def test_other_sizes_are_refused(text):
    with pytest.raises(ConfigError, match="^--max-memory: "):
        recipe_of(None, {"task": "mrpc", "max_memory": text})


@pytest.mark.parametrize("text", ["90", "two hours", "", "1d", "-5m"])
def test_other_durations_are_refused(text):
    with pytest.raises(ConfigError, match="--time"):
        seconds_of(text, "--time")
