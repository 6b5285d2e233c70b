"""The graph from decoded pictures of any size to the squares and test-time views that a classifier's network takes.

It repeats `pictures.framing`, whole pixels and roundings included. It is written in ONNX's text form, because the
frame depends on the size of the pictures, which a traced network cannot decide on.
"""

import numpy as np
import onnx
import torch
from onnx import ModelProto

from trine.classify import augment
from trine.export.graph import IR_VERSION
from trine.graphs import OPSET
from trine.pictures.framing import CROPPED_UP_TO, SAME
from trine.pictures.reading import Fit

PILLOWS_RESIZE = (
    'antialias = 1, mode = "cubic", cubic_coeff_a = -0.5, exclude_outside = 1, '
    'coordinate_transformation_mode = "half_pixel"'
)
"""Attributes with which ONNX's Resize gives the levels of Pillow's bicubic filter."""
CROPPED: dict[Fit, str] = {"crop": "yes", "auto": "not_beyond", "pad": "near", "squash": "near"}
PADDED: dict[Fit, str] = {"pad": "not_near", "auto": "beyond"}
"""The condition that pictures are cropped or padded on, by the setting `fit`."""

FRAME = """
<ir_version: {ir}, opset_import: ["": {opset}]>
frame (uint8[batch, height, width, {channels}] pictures, bool views) => (
    uint8[batch, views, {size}, {size}, {channels}] shown, float[views] weights)
<int64[2] square = {{{size}, {size}}}, int64 one = {{1}}, int64[1] first = {{0}}, int64[1] second = {{1}},
 int64[1] last = {{-1}}, int64[1] end = {{9223372036854775807}}, int64 two = {{2}},
 int64[2] sides_of = {{1, 2}}, double size = {{{size}}}, double unit = {{1}}, double same = {{{same!r}}},
 double most = {{{most!r}}}, int64[1] rows = {{1}}, int64[1] columns = {{2}}, int64 zero = {{0}},
 bool no = {{0}}, bool yes = {{1}}, int64[3] flat = {{0, {pixels}, {channels}}},
 int64[5] split = {{0, -1, {size}, {size}, {channels}}}>
{{
  sides = Shape <start = 1, end = 3> (pictures)
  right_sides = Equal (sides, square)
  right_numbers = Cast <to = 6> (right_sides)
  both = ReduceMin <keepdims = 0> (right_numbers)
  ready = Cast <to = 9> (both)
  framed = If (ready) <
    then_branch = unchanged () => (uint8[batch, {size}, {size}, {channels}] kept) {{ kept = Identity (pictures) }},
    else_branch = resized () => (uint8[batch, {size}, {size}, {channels}] square_pictures) {{ {resized} }}
  >
  weights, shown = If (views) <
    then_branch = averaged () => (
        float[views] all_weights, uint8[batch, views, {size}, {size}, {channels}] all_views) {{
      all_weights = Identity (weights_of_views)
      pixels = Reshape (framed, flat)
      in_views = Gather <axis = 1> (pixels, positions_of_views)
      all_views = Reshape (in_views, split)
    }},
    else_branch = alone () => (float[views] one_weight, uint8[batch, views, {size}, {size}, {channels}] one_view) {{
      one_weight = Identity (weight_alone)
      one_view = Reshape (framed, split)
    }}
  >
}}
"""
RESIZED = """
      real = Cast <to = 11> (sides)
      across = Gather (real, one)
      down = Gather (real, zero)
      aspect = Div (across, down)
      inverse = Div (unit, aspect)
      ratio = Max (aspect, inverse)
      not_near = Greater (ratio, same)
      beyond = Greater (ratio, most)
      not_beyond = Not (beyond)
      near = Not (not_near)
      smaller = ReduceMin <keepdims = 0> (real)
      middle_scale = Div (smaller, size)
      middle_real = Mul (size, middle_scale)
      middle_round = Round (middle_real)
      middle_whole = Cast <to = 7> (middle_round)
      middle_least = Max (middle_whole, one)
      middle = Min (sides, middle_least)
      cut_sides = Where ({cropped}, middle, sides)
      spare = Sub (sides, cut_sides)
      begins = Div (spare, two)
      ends = Add (begins, cut_sides)
      cut = Slice (pictures, begins, ends, sides_of)
      larger = ReduceMax <keepdims = 0> (real)
      whole_scale = Div (larger, size)
      whole_real = Div (real, whole_scale)
      whole_round = Round (whole_real)
      whole_sides = Cast <to = 7> (whole_round)
      whole_least = Max (whole_sides, one)
      whole = Min (whole_least, square)
      target = Where ({padded}, whole, square)
      shrinking = Sub (cut_sides, target)
      fewer_rows = Gather (shrinking, zero)
      fewer_columns = Gather (shrinking, one)
      twice = Mul (fewer_columns, two)
      shrinks = Greater (fewer_rows, zero)
      cheaper = Less (twice, fewer_rows)
      rows_first = And (shrinks, cheaper)
      rows_target = Gather (target, first)
      rows_there = Gather (cut_sides, first)
      rows_now = Where (rows_first, rows_target, rows_there)
      tall = Resize <axes = [1], {resize}> (cut, , , rows_now)
      {small} = Resize <axes = [1, 2], {resize}> (tall, , , target)
"""
PAD = """
      levels = Cast <to = 6> (small)
      top = Slice (levels, first, second, rows)
      bottom = Slice (levels, last, end, rows)
      inner = Slice (levels, second, last, rows)
      left = Slice (inner, first, second, columns)
      right = Slice (inner, last, end, columns)
      edges = Concat <axis = 2> (top, bottom)
      sides_levels = Concat <axis = 1> (left, right)
      edge_sum = ReduceSum (edges, sides_of)
      side_sum = ReduceSum (sides_levels, sides_of)
      border_sum = Add (edge_sum, side_sum)
      border_real = Cast <to = 11> (border_sum)
      edge_shape = Shape <start = 1, end = 3> (edges)
      side_shape = Shape <start = 1, end = 3> (sides_levels)
      edge_count = ReduceProd <keepdims = 0> (edge_shape)
      side_count = ReduceProd <keepdims = 0> (side_shape)
      border_count = Add (edge_count, side_count)
      count = Cast <to = 11> (border_count)
      mean = Div (border_real, count)
      colour_round = Round (mean)
      colour = Cast <to = 6> (colour_round)
      above_colour = Sub (levels, colour)
      missing = Sub (square, target)
      before = Div (missing, two)
      after = Sub (missing, before)
      pads = Concat <axis = 0> (before, after)
      wide = Pad (above_colour, pads, , sides_of)
      coloured = Add (wide, colour)
      square_pictures = Cast <to = 2> (coloured)
"""


def framing(size: int, channels: int, fit: Fit, views: list[tuple[float, np.ndarray]]) -> ModelProto:
    """Pictures and whether views are wanted -> the framed pictures in their views, and the weights of the views.

    size    side of the squares, in pixels
    views   weight of each view, and the pixel that each of its pixels shows
    """
    padding = fit in PADDED
    resized = RESIZED.format(
        cropped=CROPPED[fit],
        padded=PADDED.get(fit, "no"),
        resize=PILLOWS_RESIZE,
        small="small" if padding else "square_pictures",
    )
    text = FRAME.format(
        ir=IR_VERSION,
        opset=OPSET,
        size=size,
        channels=channels,
        pixels=size * size,
        same=SAME,
        most=CROPPED_UP_TO * 1.001,
        resized=resized + (PAD if padding else ""),
    )
    model: ModelProto = onnx.parser.parse_model(text)
    constants = {
        "weights_of_views": np.array([weight for weight, _ in views], np.float32),
        "positions_of_views": np.concatenate([places for _, places in views]).astype(np.int32),
        "weight_alone": np.ones(1, np.float32),
    }
    model.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in constants.items())
    return model


def pixels_of_views(size: int, flip: bool, shift: int) -> list[tuple[float, np.ndarray]]:
    """Weight of each test-time view of a square picture, and the pixel that each of its pixels shows."""
    numbers = torch.arange(size * size).view(1, size, size, 1)
    return [(weight, view.flatten().numpy()) for weight, view in augment.views(numbers, flip, shift)]
