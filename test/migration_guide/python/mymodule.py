"""A module of the user's, as the guide imports it."""

counter = 0
