"""Make figures, pages and answers from result tables.

    analysis.cells.Results.from_frame(frame, claims)    rows, cells with intervals, verdicts on claims
    answer.sentence.answer(results)                     the answer in at most 25 words; details(results) its grounds
    answer.terminal_table                               tables for the terminal
    tables.all_tables(results)                          tables for terminal, page and Markdown
    figures.draw(name, results, layout)                 a figure; figures.save(figure, stem)
    dashboard.build.build(suites)                       one HTML page that needs no network
    look.build.build(recordings, images)                recorded routing on images, as one HTML page
    markdown.build(results, title)                      the report as Markdown

Modules are imported one by one, because drawing libraries are slow to import and most commands need none.
"""
