"""What was asked, kept and compared with what the model was trained on."""
