"""Read results with pandas, polars and DuckDB: cells of a notebook (Jupyter, VS Code), or a script.

Run in a folder with results/: python examples/read_results.py
"""

# %% One suite with pandas. One row is one cell and one seed; a failed cell is a row with its reason.
import pandas as pd

frame = pd.read_parquet("results/scaling-experts")
print(frame["status"].value_counts())
done = frame[frame["status"] == "ok"]

# %% Accuracy over seeds, beside what it cost. "vs_dense": times the dense model's step, timed in turns with it.
columns = ["accuracy", "flops_forward_per_image", "train_step_vs_dense", "dropped_tokens"]
print(done.groupby(["router", "experts"])[columns].mean().round(3))

# %% All suites at once: cells of an unfinished run included, rows of older schemas upgraded.
import moebench

everything = moebench.load("results")
print(everything.groupby("suite").size())

# %% polars reads the same files. Names that begin with "_" are working files, which the pattern leaves out.
import polars as pl

rows = pl.read_parquet("results/scaling-experts/*.parquet")
best = rows.filter(pl.col("status") == "ok").group_by("router").agg(pl.col("accuracy").max()).sort("accuracy")
print(best)

# %% DuckDB queries them where they lie.
import duckdb

query = "select router, avg(accuracy) as accuracy from 'results/scaling-experts/*.parquet' group by router order by 2"
print(duckdb.sql(query))

# %% Figures take a frame and return a matplotlib figure with the numbers behind it.
figure = moebench.plot.pareto(done)
print(figure.frame.head())
