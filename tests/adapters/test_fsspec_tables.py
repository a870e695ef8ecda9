"""pandas and pyarrow read and write tables on a share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fsspec
import pytest
from fsspec.registry import _registry as fsspec_registry

from paraph.adapters.fsspec_ import ParaphFileSystem, register
from tests.adapters.conftest import Place

ROWS = {"name": ["Anna", "Otto", "Zoë"] * 1000, "amount": list(range(3000))}


@pytest.fixture(params=["paraph", "smb"])
def protocol(request: pytest.FixtureRequest) -> Iterator[str]:
    before = dict(fsspec_registry)
    register([request.param])
    yield request.param
    fsspec_registry.clear()
    fsspec_registry.update(before)
    for system in list(ParaphFileSystem._cache.values()):
        system.close()
    ParaphFileSystem.clear_instance_cache()


def test_pandas(place: Place, fs_path: str, protocol: str) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(ROWS)
    options = {"password": place.password}
    for name in ("table.csv", "table.csv.gz"):
        url = place.url(f"{fs_path}/{name}", protocol)
        table.to_csv(url, index=False, storage_options=options)
        found = pandas.read_csv(url, storage_options=options)
        assert found.equals(table)
    url = place.url(f"{fs_path}/table.json", protocol)
    table.to_json(url, storage_options=options)
    assert pandas.read_json(url, storage_options=options).equals(table)
    url = place.url(f"{fs_path}/nothing.csv", protocol)
    with pytest.raises(FileNotFoundError):
        pandas.read_csv(url, storage_options=options)


def test_pandas_and_parquet(place: Place, fs_path: str, protocol: str) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    table = pandas.DataFrame(ROWS)
    options = {"password": place.password}
    url = place.url(f"{fs_path}/table.parquet", protocol)
    table.to_parquet(url, storage_options=options)
    assert pandas.read_parquet(url, storage_options=options).equals(table)
    amounts = pandas.read_parquet(url, columns=["amount"], storage_options=options)
    assert amounts.equals(table[["amount"]])


def _arrow(system: ParaphFileSystem) -> Any:
    fs = pytest.importorskip("pyarrow.fs")
    return fs.PyFileSystem(fs.FSSpecHandler(system))


def test_arrow_tables(fs: ParaphFileSystem, fs_path: str) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    dataset = pytest.importorskip("pyarrow.dataset")
    table = arrow.table({**ROWS, "part": ["a", "b", "c"] * 1000})
    parquet.write_table(table, f"{fs_path}/table.parquet", filesystem=fs)
    assert parquet.read_table(f"{fs_path}/table.parquet", filesystem=fs).equals(table)
    dataset.write_dataset(
        table, f"{fs_path}/parts", format="parquet", filesystem=fs, partitioning=["part"]
    )
    assert len(fs.find(f"{fs_path}/parts")) == 3
    found = dataset.dataset(f"{fs_path}/parts", filesystem=fs, partitioning=["part"])
    assert found.count_rows() == 3000
    assert found.to_table(filter=dataset.field("part") == "b")["name"].unique()[0].as_py() == "Otto"


def test_arrow_file_system(fs: ParaphFileSystem, fs_path: str) -> None:
    arrow = _arrow(fs)
    arrow.create_dir(f"{fs_path}/dir", recursive=True)
    with arrow.open_output_stream(f"{fs_path}/dir/file") as file:
        file.write(b"0123456789")
    with arrow.open_input_file(f"{fs_path}/dir/file") as file:
        assert (file.size(), file.read_at(3, 4)) == (10, b"456")
    arrow.copy_file(f"{fs_path}/dir/file", f"{fs_path}/copy")
    arrow.move(f"{fs_path}/copy", f"{fs_path}/moved")
    selector = pytest.importorskip("pyarrow.fs").FileSelector(fs_path, recursive=True)
    found = {one.path: (one.type.name, one.size) for one in arrow.get_file_info(selector)}
    assert found == {
        f"{fs_path}/dir": ("Directory", None),
        f"{fs_path}/dir/file": ("File", 10),
        f"{fs_path}/moved": ("File", 10),
    }
    arrow.delete_file(f"{fs_path}/moved")
    arrow.delete_dir(f"{fs_path}/dir")
    assert arrow.get_file_info(selector) == []
    assert arrow.get_file_info(f"{fs_path}/dir").type.name == "NotFound"


def test_parquet_with_known_ranges(place: Place, fs_path: str, protocol: str) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table(ROWS)
    url = place.url(f"{fs_path}/table.parquet", protocol)
    with fsspec.open(url, "wb", password=place.password) as file:
        parquet.write_table(table, file)
    with fsspec.open(url, "rb", password=place.password, block_size=4096) as file:
        assert parquet.read_table(file).equals(table)
