// Every mistake of a user is named at once: checks go on after one that refuses, and all refusals stop the run together.

// What a check returns; null where it refuses, with its message added to `refusals`. Other errors stop the run as they are.
def attempt(refusals, check) {
    try {
        return check.call()
    }
    catch (Exception problem) {
        def cause = thrown(problem)
        if (!(cause instanceof nextflow.exception.WorkflowScriptErrorException)) {
            throw problem
        }
        refusals << cause.message
        return null
    }
}

// What was thrown by a function that was called by reflection.
def thrown(problem) {
    return problem instanceof java.lang.reflect.InvocationTargetException ? thrown(problem.cause) : problem
}

// Stops the run with all refusals, of which those of one heading, e.g. 'Parameters:', are listed under it together.
def refuse(refusals) {
    def texts = refusals.groupBy { text -> text.contains(':\n') ? text.substring(0, text.indexOf(':\n') + 2) : '' }.collect { heading, group ->
        heading + group.collect { text -> text.substring(heading.size()) }.unique().join('\n')
    }
    if (texts) {
        error(texts.join('\n'))
    }
}

// Stops the run with problems of parameters, e.g. ["--methods: 'smrt' is not a method"].
def refuseParameters(problems) {
    if (problems) {
        error("Parameters:\n  " + problems.join('\n  '))
    }
}
