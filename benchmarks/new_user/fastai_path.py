"""From a folder of labelled pictures to a confusion matrix, in fastai.

python fastai_path.py FOLDER [random]

With a second argument the net starts from random weights, which needs no download.
"""

import sys
from pathlib import Path

from fastai.vision.all import (
    CategoryBlock,
    ClassificationInterpretation,
    DataBlock,
    ImageBlock,
    IndexSplitter,
    Resize,
    accuracy,
    parent_label,
    resnet18,
    set_seed,
    vision_learner,
)
from matplotlib import pyplot as plt
from sklearn.model_selection import train_test_split

set_seed(0)
files = sorted(Path(sys.argv[1]).glob("*/*.png"))
labels = [file.parent.name for file in files]
_, test = train_test_split(range(len(files)), stratify=labels, random_state=0)
block = DataBlock(
    blocks=(ImageBlock, CategoryBlock),
    get_items=lambda source: files,
    get_y=parent_label,
    splitter=IndexSplitter(test),
    item_tfms=Resize(224, method="squish"),
)
loaders = block.dataloaders(sys.argv[1], bs=32, num_workers=0)
learner = vision_learner(loaders, resnet18, pretrained=len(sys.argv) < 3, metrics=accuracy)
if len(sys.argv) < 3:
    learner.fine_tune(7)
else:
    learner.unfreeze()
    learner.fit_one_cycle(8)
print(f"right: {learner.validate()[1]:.1%} of {len(test)}")
ClassificationInterpretation.from_learner(learner).plot_confusion_matrix()
plt.savefig("confusion_fastai.png")
