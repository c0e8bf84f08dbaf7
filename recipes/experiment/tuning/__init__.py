"""Search for the settings of graph predictors by KerasTuner."""
