"""From a folder of labeled pictures to a confusion matrix, in fastai.

python fastai_path.py FOLDER [random]

With a second argument the net starts from random weights, which needs no download.
"""

# Imported as fastai's own tutorials do.
# ruff: noqa: F403, F405

import sys

from fastai.vision.all import *
from sklearn.model_selection import train_test_split

set_seed(0)
files = sorted(Path(sys.argv[1]).glob("*/*.png"))
labels = [parent_label(file) for file in files]
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
learner.fine_tune(7)  # after one epoch of the last layers alone
print(f"right: {learner.validate()[1]:.1%} of {len(test)}")
ClassificationInterpretation.from_learner(learner).plot_confusion_matrix()
plt.savefig("confusion_fastai.png")
