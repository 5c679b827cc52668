"""Prometheus remote write 1.0: a protobuf message in a snappy block. Imported only when something is written."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "lgtm_deploy.prometheus"
_FIELD = descriptor_pb2.FieldDescriptorProto
# Prometheus: remote write 1.0, "Protobuf messages". Message -> its fields: name, number, type, or the message's name.
_MESSAGES: Mapping[str, tuple[tuple[str, int, int | str], ...]] = {
    "Label": (("name", 1, _FIELD.TYPE_STRING), ("value", 2, _FIELD.TYPE_STRING)),
    "Sample": (("value", 1, _FIELD.TYPE_DOUBLE), ("timestamp", 2, _FIELD.TYPE_INT64)),
    "TimeSeries": (("labels", 1, "Label"), ("samples", 2, "Sample")),
    "WriteRequest": (("timeseries", 1, "TimeSeries"),),
}


def encode(labels: Mapping[str, str], value: float, at: float) -> bytes:
    """One sample of one series at a time in seconds. Labels are sorted by name, as the protocol wants them."""
    request = _classes()["WriteRequest"]()
    series = request.timeseries.add()
    for name in sorted(labels):
        series.labels.add(name=name, value=labels[name])
    series.samples.add(value=value, timestamp=int(at * 1000))
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))


@cache
def _classes() -> Mapping[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="lgtm_deploy/remote_write.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            if isinstance(kind, str):
                message.field.add(
                    name=field,
                    number=number,
                    label=_FIELD.LABEL_REPEATED,
                    type=_FIELD.TYPE_MESSAGE,
                    type_name=f".{_PACKAGE}.{kind}",
                )
            else:
                message.field.add(name=field, number=number, label=_FIELD.LABEL_OPTIONAL, type=kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }
