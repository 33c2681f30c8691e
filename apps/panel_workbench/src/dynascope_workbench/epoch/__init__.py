"""Which epoch is shown, and the control that moves it."""
