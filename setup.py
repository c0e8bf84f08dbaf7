"""Packaging of glomo_keras: metadata, dependencies and extras."""

import re
from pathlib import Path

from setuptools import find_packages
from setuptools import setup

ROOT = Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (ROOT / "glomo_keras" / "version.py").read_text()
).group(1)


def long_description():
    """Return the README without pictures and links of files that no wheel has."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"!\[[^]]*\]\((?!https?:)[^)]*\)\n\n", "", text)
    return re.sub(r"\[([^]]*)\]\((?!https?:|#)[^)]*\)", r"\1", text)


PLOTS = ["matplotlib>=3.8"]
ANALYSIS = ["scipy>=1.11", "networkx>=3.1"]
ONNX = ["onnx>=1.23", "tf2onnx>=1.17", "onnxruntime>=1.23"]
SERVING = ["tensorflow-serving-api>=2.21,<2.22"]
JAX = ["jax>=0.10,<0.11"]
SHARDS = ["grain>=0.2.18,<0.3", "array_record>=0.8.6,<0.9"]
BEAM = SHARDS + ["apache-beam>=2.77,<2.78"]
TUNE = ["keras-tuner[bayesian]>=1.4.8,<1.5"]
HUB = ["huggingface_hub>=1.0,<3"]
# Zensical 0.1 needs a package that not every index has.
DOCS = ["zensical>=0.0.73,<0.1", "mkdocstrings-python>=2.0.11,<3", "ruff>=0.9"]
LOGS = ["tensorboard>=2.20,<2.22"]  # TensorFlow 2.21 does not bring it

# The saved models of a checkout are `glomo_keras.saved_models` of an installation.
SAVED_MODELS = {
    f"glomo_keras.saved_models.{path.parent.name}": f"saved_models/{path.parent.name}"
    for path in sorted((ROOT / "saved_models").glob("*/metadata.json"))
}

setup(
    name="glomo_keras",
    version=VERSION,
    description="Keras layers that learn relational graphs from unlabelled data "
    "(GLoMo) and transfer them into any Keras model",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[*find_packages(include=["glomo_keras", "glomo_keras.*"]), *SAVED_MODELS],
    package_dir=SAVED_MODELS,
    package_data={
        "glomo_keras.analysis": ["*.html"],
        **{name: ["*"] for name in SAVED_MODELS},
    },
    entry_points={"console_scripts": ["glomo-keras = glomo_keras.__main__:main"]},
    install_requires=[
        "keras>=3.15,<3.16",
        "numpy>=1.26",
        "tensorflow>=2.21,<2.22",
        "tensorflow-text>=2.21.1,<2.22",  # 2.21.0 does not import
        "tensorflow-datasets>=4.9.9,<4.10",
        # It is imported to prepare any data set, and declared for Python < 3.9 alone.
        "importlib_resources>=6",
    ],
    extras_require={
        "plots": PLOTS,
        "analysis": ANALYSIS,
        "recipes": PLOTS + LOGS,
        "onnx": ONNX,
        "serving": SERVING,
        "docs": DOCS,
        "tune": TUNE + LOGS + PLOTS,
        "hub": HUB,
        "shards": SHARDS,
        "beam": BEAM,
        "dev": PLOTS
        + ANALYSIS
        + LOGS
        + ONNX
        + SERVING
        + SHARDS
        + TUNE
        + HUB
        + DOCS
        + ["pytest>=8", "pytest-xdist>=3.6"],
        "jax": JAX,
        "benchmarks": JAX + ["torch>=2.13"],
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
