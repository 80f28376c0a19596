"""What is known of devices, which meter fed which vehicle, and what each device said last."""
