"""From a picture to a file: the plan, the search for a target, the flow."""
