"""Several devices train what one device trains, from the same batches."""

import numpy as np
import pytest
import worker_processes as processes

pytestmark = pytest.mark.distributed


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("trainings")


@pytest.fixture(scope="module")
def on_one_device(folder):
    return trained(folder, "none")


def trained(folder, strategy, *trainings, backend="tensorflow", **environment):
    """Return the arrays of `train_once.py`."""
    name = f"{strategy}_{backend}"
    output, log = folder / f"{name}.npz", folder / f"{name}.log"
    arguments = (log, processes.TRAIN, strategy, output, *trainings)
    process = processes.start(*arguments, backend=backend, **environment)
    processes.finish(process, log)
    return dict(np.load(output))


def check_equal(arrays, expected, precision=1e-9):
    """Check weights, and all that was logged of every sequence.

    Every device counts relations in two sequences of its own in training.
    """
    assert arrays.keys() == expected.keys()
    of_two_sequences = ("specificity", "effective", "within")
    for name, array in arrays.items():
        if "_weight_" in name:
            atol = precision if "_sgd_" in name else 1e-4
            np.testing.assert_allclose(array, expected[name], atol=atol, err_msg=name)
        elif "_evaluated_" in name or not any(n in name for n in of_two_sequences):
            if name.startswith("text") and name.endswith("evaluated_loss"):
                continue  # of batches that the devices could not share alike
            np.testing.assert_allclose(
                array, expected[name], rtol=1e-5, atol=1e-6, err_msg=name
            )


def test_two_devices(folder, on_one_device):
    check_equal(trained(folder, "two_devices"), on_one_device)


def test_two_workers(folder, on_one_device):
    workers = []
    for index, config in enumerate(processes.cluster(2)):
        output, log = folder / f"worker_{index}.npz", folder / f"worker_{index}.log"
        arguments = (log, processes.TRAIN, "multiworker", output)
        workers.append((processes.start(*arguments, TF_CONFIG=config), log, output))
    for process, log, output in workers:
        processes.finish(process, log)
        check_equal(dict(np.load(output)), on_one_device)


def test_data_parallel_of_jax(folder):
    pytest.importorskip("jax")
    environment = {"backend": "jax", "JAX_ENABLE_X64": "1"}
    alone = trained(folder, "none", "text_sgd", **environment)
    # Threads enough for all devices to wait for each other, whatever the cores.
    environment |= {"NPROC": "8"}
    environment["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
    arrays = trained(folder, "data_parallel", "text_sgd", **environment)
    check_equal(arrays, alone, precision=1e-7)
