"""Data sets that vary the test images of CIFAR or ImageNet; all are made with what ``benchsuite`` exports."""
