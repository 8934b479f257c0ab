"""Builds ONNX graphs from nodes and constants."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.onnx.quantize import quantize_rows, smoothing_factors
from vsearch_core.own_files import open_file

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

MICROSOFT = "com.microsoft"  # ONNX Runtime's own operators
OPSET = 20  # the first with Gelu
IR_VERSION = 9
EMBEDDING = "embedding"  # the name of the first output
NAMES = "vsearch/"  # before our names, which may be in one graph with those of another exporter
ALIGNMENT = 4096  # bytes; a page, so that ONNX Runtime can map each tensor of the data file


@dataclass(frozen=True, slots=True)
class GraphInput:
    """The input of a graph: its name, ONNX's number of its type, and its shape, in which a name is any length."""

    name: str
    kind: int
    shape: tuple[int | str, ...]


TOKEN_IDS = GraphInput("input_ids", 7, (1, "tokens"))  # int64


class GraphBuilder:
    """Collects the nodes and constants of an ONNX graph. Nodes refer to each other's outputs by name."""

    def __init__(self, data: IO[bytes], location: str, max_inputs: Sequence[NDArray[np.float32]] | None) -> None:
        """Start a graph that stores its constants in a data file.

        Args:
            data: The open data file.
            location: The name of the data file, as the graph will refer to it.
            max_inputs: For an int8 graph, the largest absolute value of each input of each matrix product, in the order
                of the products. None for an fp32 graph.
        """
        self._data = data
        self._location = location
        self._int8 = max_inputs is not None
        self._largest_inputs = iter(max_inputs or ())  # one for each product, in order
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self._tokens: str | None = None

    def constant(self, values: NDArray[Any]) -> str:
        """Add a constant, whose values go to the data file at a page boundary. Return its name."""
        import onnx

        tensor = onnx.TensorProto(
            name=f"{NAMES}constant_{len(self._constants)}",
            data_type=onnx.helper.np_dtype_to_tensor_dtype(values.dtype),
            dims=values.shape,
            data_location=onnx.TensorProto.EXTERNAL,
        )
        self._data.write(bytes(-self._data.tell() % ALIGNMENT))
        entries = {"location": self._location, "offset": self._data.tell(), "length": values.nbytes}
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=str(value))
        self._data.write(np.ascontiguousarray(values).tobytes())
        self._constants.append(tensor)
        return str(tensor.name)

    def index(self, *values: int) -> str:
        """Add an int64 vector, such as a shape or an axis, to the graph itself. Return its name."""
        return self._inline(np.array(values, dtype=np.int64))

    def scalar(self, value: int) -> str:
        """Add an int64 number to the graph itself. Return its name."""
        return self._inline(np.array(value, dtype=np.int64))

    def _inline(self, values: NDArray[np.int64]) -> str:
        from onnx import numpy_helper

        name = f"{NAMES}constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(values, name))
        return name

    def nodes(self, kind: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes: Any) -> list[str]:
        """Add a node of the operator `kind` with several outputs. Return the outputs' names."""
        from onnx import helper

        names = [f"{NAMES}{kind}_{len(self._nodes)}_{number}" for number in range(outputs)]
        self._nodes.append(helper.make_node(kind, list(inputs), names, names[0], domain=domain, **attributes))
        return names

    def node(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node of the operator `kind` with one output. Return the output's name."""
        return self.nodes(kind, *inputs, domain=domain, **attributes)[0]

    def rename_last(self, name: str, new_name: str) -> None:
        """Rename the output of the last node from `name` to `new_name`."""
        assert [*self._nodes[-1].output] == [name]
        self._nodes[-1].output[0] = new_name

    @property
    def size(self) -> int:
        """Return the number of nodes."""
        return len(self._nodes)

    def linear(self, source: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        """Add the linear layer source (…, inputs) · weight (outputs, inputs)ᵀ + bias (outputs,). Return its output."""
        if not self._int8:
            product = self.node("MatMul", source, self.constant(weight.T))
            return self.node("Add", product, self.constant(bias))
        factors = smoothing_factors(next(self._largest_inputs), weight)
        source = self.node("Mul", source, self.constant(1 / factors))
        codes, scales = quantize_rows(weight * factors)
        constants = self.constant(codes.T), self.constant(scales), "", self.constant(bias)  # "": the zero point is 0
        return self.node("DynamicQuantizeMatMul", source, *constants, domain=MICROSOFT)

    def lookup(self, table: NDArray[np.float32], rows: str) -> str:
        """Add a lookup of rows in a table, `table[rows]`. Return the name of its output."""
        if not self._int8:
            return self.node("Gather", self.constant(table), rows)
        codes, scales = quantize_rows(table)
        values = self.node("Cast", self.node("Gather", self.constant(codes), rows), to=1)  # 1: float32
        return self.node("Mul", values, self.node("Gather", self.constant(scales[:, None]), rows))

    def show_tokens(self, name: str) -> None:
        """Make the tokens' vectors `name`, (1, tokens, dimension), an output of the graph, after the embedding."""
        self._tokens = name

    def save(self, target: Path, dimension: int, source: GraphInput = TOKEN_IDS) -> None:
        """Write the graph to `target`. The last node's output becomes the graph's output, `embedding`."""
        import onnx
        from onnx import helper

        graph = helper.make_graph(self._nodes, "encoder", *self._ends(dimension, source), self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="vsearch")
        with open_file(target, "xb") as file:
            file.write(onnx.ModelProto.SerializeToString(model))

    def surround(self, model: "ModelProto", before: int) -> None:
        """Insert the first `before` nodes at the start of `model`, and append the others to its end.

        The last node's output becomes the model's output, `embedding`.
        """
        sources, results = self._ends("dimension")
        nodes = [*self._nodes[:before], *model.graph.node, *self._nodes[before:]]
        for field, values in (("node", nodes), ("input", sources), ("output", results)):
            model.graph.ClearField(field)
            getattr(model.graph, field).extend(values)
        model.graph.initializer.extend(self._constants)

    def _ends(
        self, dimension: int | str, read: GraphInput = TOKEN_IDS
    ) -> tuple[list["ValueInfoProto"], list["ValueInfoProto"]]:
        """Return the graph's inputs and outputs."""
        from onnx import TensorProto, helper

        self._nodes[-1].output[0] = EMBEDDING
        source = helper.make_tensor_value_info(read.name, read.kind, read.shape)
        results = [helper.make_tensor_value_info(EMBEDDING, TensorProto.FLOAT, [1, dimension])]
        if self._tokens is not None:
            shape = [1, "tokens", dimension]
            results.append(helper.make_tensor_value_info(self._tokens, TensorProto.FLOAT, shape))
        return [source], results
