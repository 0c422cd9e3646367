"""The settings of fine-tuning methods: each method has its own model."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, SerializeAsAny, WrapValidator, model_serializer
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from progsearch.config.base import Config
from progsearch.config.named import name_in
from progsearch.config.searched import SCHEDULE, TRAINING
from progsearch.errors import MethodError
from progsearch.registry import Registry


class MethodSettings(Config):
    """Which method trains the parameters of a trainable block, and its settings: the fields.

    Search spaces vary these fields by their names, so that they begin with the method's name
    unless two methods mean the same by one. The names of schedule and training settings are
    refused. A setting that changes what the parts cost is a whole number, a word or a truth
    value: a search measures each of its values before the first trial.

    Attributes:
        name: What users write; the name of the entry point for a method of another package.
        description: One line for `progsearch ls methods`.
        version: Part of the keys of stored work: raise it when the same settings train other
            parameters or start them differently.
        free: The settings that change no cost.
        rate_factor: Its usual learning rates over those of full fine-tuning; search spaces of type
            ``rates`` and the references follow it.
        merges: Whether a trained model can be saved as a plain Hugging Face model, which
            ``AutoModel`` loads whole.
        frozen_dtype: How frozen weights are held, whatever `TrainingConfig.frozen_dtype` says;
            None: as it says.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    version: ClassVar[int] = 1
    free: ClassVar[frozenset[str]] = frozenset()
    rate_factor: ClassVar[float] = 1.0
    merges: ClassVar[bool] = True
    frozen_dtype: ClassVar[Literal["nf4"] | None] = None

    @model_serializer(mode="wrap")
    def _with_name(self, fields: Any) -> dict[str, Any]:
        return {"name": self.name, **fields(self)}

    def own_fields(self) -> dict[str, Any]:
        """The name and the settings, with the version if it was raised."""
        fields = self.model_dump()
        return fields if self.version == 1 else {**fields, "version": self.version}

    @property
    def identity(self) -> list[Any]:
        """Identifies the method with its settings; part of the keys of stored work."""
        kind = type(self)
        return [f"{kind.__module__}.{kind.__qualname__}", self.own_fields()]

    @property
    def cost_key(self) -> str:
        """Equal for settings under which the parts of a model cost the same."""
        return repr({k: v for k, v in self.own_fields().items() if k not in self.free})


def _taken(method: type[MethodSettings]) -> str | None:
    """What is wrong with the names of a method's settings, if anything."""
    taken = [name for name in method.model_fields if name in {*SCHEDULE, *TRAINING, "method"}]
    if not taken:
        return None
    return (
        f"has settings named as those of schedules or training ({', '.join(taken)}), which a "
        "search space cannot tell apart; begin them with the method's name"
    )


METHODS: Registry[MethodSettings] = Registry(
    "method",
    "progsearch.methods",
    MethodSettings,
    MethodError,
    contract="progsearch.methods.Method",
    mistake=_taken,
)
"""All methods; the built-in ones are in it once `progsearch.methods` was imported."""

DEFAULT_METHOD = "full"

MethodName = Annotated[str, AfterValidator(name_in(METHODS))]


def method_of(name: str = DEFAULT_METHOD, **settings: Any) -> MethodSettings:
    """The method of that name with these settings; the others keep their defaults.

    Raises:
        MethodError: There is no such method.
        ValidationError: A value is not possible, or the method has no such setting.
    """
    return METHODS.get(name)(**settings)


def _read(data: Any, check: Any) -> MethodSettings:
    if not isinstance(data, dict):
        settings: MethodSettings = check(data)
        return settings
    name = str(data.get("name", DEFAULT_METHOD))
    try:
        method = METHODS.get(name_in(METHODS)(name))
    except PydanticCustomError as error:
        detail = InitErrorDetails(type=error, loc=("name",), input=name)
        raise ValidationError.from_exception_data("method", [detail]) from None
    # Files of older versions hold the settings of all methods.
    settings_given = {
        key: value
        for key, value in data.items()
        if key != "name" and (key in method.model_fields or not _is_setting(key))
    }
    return method.model_validate(settings_given)


def _is_setting(name: str) -> bool:
    return any(name in method.model_fields for method in METHODS)


MethodConfig = Annotated[SerializeAsAny[MethodSettings], WrapValidator(_read)]
"""The settings of any method, chosen by ``name`` in the data; without it, full fine-tuning."""
