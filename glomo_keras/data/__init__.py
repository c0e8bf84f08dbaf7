"""Text to windows of unit ids: units, vocabularies, corpora, windows; images.

Names are imported on first use, so that `glomo_keras.data.windows`, `.planted`
and `.prepared` (NumPy and Keras only) work where TensorFlow is not installed.
"""

import importlib

_MODULE_OF = {
    "UnitIds": "unit_ids",
    "Units": "units",
    "character_offsets": "units",
    "split_units": "units",
    "valid_text": "units",
    "Vocabulary": "vocabulary",
    "DocumentCounts": "corpora",
    "Documents": "corpora",
    "character_ids": "characters",
    "read_documents": "corpora",
    "prepared_classes": "classes",
    "unit_classes": "classes",
    "docs_documents": "documentation",
    "docs_pages": "documentation",
    "ImageSet": "images",
    "describe_images": "images",
    "read_images": "images",
    "shrink": "images",
    "draw_shapes": "shapes",
    "planted_sequences": "planted",
    "prepare_corpus": "prepare",
    "ShardedCorpus": "shards.index",
    "ShardedWindows": "shards.batches",
    "fixed_shard_windows": "shards.batches",
    "load_shards": "shards.index",
    "prepare_shards": "shards.prepare",
    "shard_classes": "shards.index",
    "PreparedCorpus": "prepared",
    "load_prepared": "prepared",
    "WordVectors": "word_vectors",
    "read_word_vectors": "word_vectors",
    "WindowSequence": "windows",
    "fixed_windows": "windows",
    "window_starts": "windows",
    "window_dataset": "pipeline",
}

__all__ = sorted(_MODULE_OF)


def __getattr__(name):
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULE_OF[name]}")
    return getattr(module, name)


def __dir__():
    return sorted({*globals(), *__all__})
