"""The state of a question, from the entries that were checked and the references between them that hold."""

PROVEN, RECORDED, NOT_CHECKED, NOT_RECORDED = "proven", "recorded", "not-checked", "not-recorded"


def state(report, ask, held, edges):
    """State of the asked question. (Q8 is left to the other implementation.)"""
    walk = {"Q5": walk_q5, "lineage": walk_lineage}.get(ask)
    walked = walk(report, held, edges) if walk else None
    if walked is None:
        return NOT_RECORDED
    whole_, trace = walked
    if not whole_ or not report.trusted or report.lost & set(trace):
        return NOT_CHECKED
    return PROVEN if all(held[index].outer["evidence"] == "observed" for index in trace) else RECORDED


def walk_q5(report, held, edges):
    """For every output: the last decision on it, and the policy it names."""
    outputs = [one.index for one in held.values() if one.type == "output"]
    whole_, trace = True, set(outputs)
    for index in outputs:
        decisions = [f for f, role, to in edges if role == "output" and to == index and held[f].type == "decision"]
        if not decisions:
            whole_ = False
            continue
        decision = max(decisions)
        policies = {to for f, role, to in edges if f == decision and role == "policy"}
        whole_ = whole_ and None not in policies
        trace |= {decision} | policies - {None}
        version = held[decision].entry.predicate["policyVersion"]
        for policy in policies - {None}:
            if held[policy].entry.predicate != {"kind": "output", "version": version}:
                report.add("answer", "fail")
    return (whole_, trace) if outputs else None


def walk_lineage(_, held, edges):
    """From the outputs (or what stands nearest to them) along every reference, down to sources."""
    for start in ("output", "deployment", "model", "training-run", "dataset", "data-run"):
        walk = [one.index for one in held.values() if one.type == start]
        if walk:
            break
    else:
        return None
    walk += [f for f, role, to in edges if role == "output" and to in walk]
    whole_, trace = True, set()
    while walk:
        index = walk.pop()
        if index in trace:
            continue
        trace.add(index)
        steps = [to for f, _, to in edges if f == index]
        whole_ = whole_ and None not in steps and (steps or held[index].type in ("source", "policy", "decision"))
        walk += [to for to in steps if to is not None]
    return whole_, trace
