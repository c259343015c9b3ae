"""Pictures, as matplotlib figures; nothing is shown or saved here."""
