"""What annotations are written with where torch is not needed: shapes of arrays, and `override`.

They are those of jaxtyping and typing_extensions where these are installed, as in tests, which check them. A model at
work needs neither: importing jaxtyping takes a tenth of a second and 13 MiB.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Float32, Float64, Int, Int8, Int32, Int64, Shaped, UInt8, UInt16, UInt64
    from typing_extensions import override
else:
    try:
        from jaxtyping import Bool, Float, Float32, Float64, Int, Int8, Int32, Int64, Shaped, UInt8, UInt16, UInt64
        from typing_extensions import override
    except ImportError:

        class Unchecked:
            """An array type whose shape is not looked at: `Unchecked[numpy.ndarray, "n"]` is `numpy.ndarray`."""

            def __class_getitem__(cls, kind_and_shape: tuple[Any, str]) -> Any:
                return kind_and_shape[0]

        Bool = Float = Float32 = Float64 = Int = Int8 = Int32 = Int64 = Shaped = UInt8 = UInt16 = UInt64 = Unchecked

        def override(method: Any) -> Any:
            """The method itself."""
            return method


__all__ = [
    "Bool",
    "Float",
    "Float32",
    "Float64",
    "Int",
    "Int8",
    "Int32",
    "Int64",
    "Shaped",
    "UInt8",
    "UInt16",
    "UInt64",
    "override",
]
