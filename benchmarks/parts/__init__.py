"""What is measured: each module is a part, whose measure() yields ratios and tables."""

from benchmarks.parts import (
    batch,
    beside,
    digits,
    ending,
    growth,
    loading,
    memory,
    operating,
    page,
    publications,
    scale,
    single,
    slow,
    soak,
    startup,
    training,
)

ALL = {
    module.__name__.rpartition(".")[2]: module.measure
    for module in (
        single,
        operating,
        slow,
        publications,
        ending,
        batch,
        startup,
        memory,
        growth,
        loading,
        beside,
        training,
    )
}
ON_REQUEST = {"soak": soak.measure, "scale": scale.measure, "digits": digits.measure, "page": page.measure}
