"""Make figures, pages and answers from result tables.

    summary.summarise(frame)             one row for each cell, with intervals
    summary.headline(frame, question)    the answer in a sentence, with its doubt
    summary.render_table(cells)          the table for a terminal
    stability.stability(frame)           from which learning rate each router diverges; verdict in a sentence
    settings.cuts(results)               how far trained models can be cut without losing more than a point
    figures.pareto(frame), scaling, health, curves, costs, speed; figures.save(figure, stem)
    dashboard.build(frame, title)        one HTML page that needs no network
    markdown.build(frame, title)         the same as Markdown
    comparison.compare(ours, theirs)     cells against cells, with verdicts; verdicts.sentence(report, …) in words

Modules are imported one by one, because drawing libraries are slow to import and most commands need none.
"""
