"""What happens to training images between memory and the network: perturbations and mixup."""
