"""What ``import edgewright as ew`` offers: objects that print themselves, over the layers below."""
