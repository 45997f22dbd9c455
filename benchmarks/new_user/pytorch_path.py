"""From a folder of labeled pictures to a confusion matrix, in PyTorch and torchvision.

python pytorch_path.py FOLDER [random]

With a second argument the net starts from random weights, which needs no download.
"""

import sys

import torch
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import ImageFolder
from torchvision.models import ResNet18_Weights, resnet18
from torchvision.transforms import v2

torch.manual_seed(0)
transform = v2.Compose(
    [
        v2.ToImage(),
        v2.Resize((224, 224)),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
    ]
)
data = ImageFolder(sys.argv[1], transform)
train, test = train_test_split(range(len(data)), stratify=data.targets, random_state=0)
train_loader = DataLoader(Subset(data, train), batch_size=32, shuffle=True)
test_loader = DataLoader(Subset(data, test), batch_size=32)

device = "cuda" if torch.cuda.is_available() else "cpu"
net = resnet18(weights=ResNet18_Weights.DEFAULT if len(sys.argv) < 3 else None)
net.fc = nn.Linear(net.fc.in_features, len(data.classes))
net.to(device)
loss_function = nn.CrossEntropyLoss()
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)

for epoch in range(8):
    net.train()
    total = 0.0
    for images, labels in train_loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = loss_function(net(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
    print(f"epoch {epoch + 1}: loss {total / len(train):.3f}")

net.eval()
true, predicted = [], []
with torch.inference_mode():
    for images, labels in test_loader:
        predicted += net(images.to(device)).argmax(dim=1).tolist()
        true += labels.tolist()
right = sum(a == b for a, b in zip(true, predicted, strict=True))
print(f"right: {right / len(true):.1%} of {len(true)}")
display = ConfusionMatrixDisplay.from_predictions(true, predicted, display_labels=data.classes)
display.figure_.savefig("confusion_pytorch.png")
