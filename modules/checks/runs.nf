// Which methods run on which dataset, with which recipes, and whose runs are joined.

// The methods that have a say in the consensus and in the number of domains (where any of them can run): the pipeline's own or,
// where there are none, the baselines; no controls.
def voters(methods) {
    def serious = methods.findAll { method -> !method.control }
    return serious.findAll { method -> !method.baseline } ?: serious
}

// The names of the methods whose runs choose the number of domains of a dataset: of those that can run on it the voters or, where
// there are none, all.
def choosers(methods, meta) {
    def fitting = methods.findAll { method -> fits(method, meta) }
    return (voters(fitting) ?: fitting)*.name
}

// The names of --weave_members.
def chosenMembers(options) {
    return (options.weave_members ?: '').tokenize(', ').unique()
}

// The methods whose runs the consensus joins: those of --weave_members, else all voters; none with --weave false.
def weaveMembers(options, methods) {
    return options.weave ? chosenMembers(options) ?: voters(methods)*.name : []
}

// The pairs of recipes that the methods use, e.g. [['smart', 'spatial'], ['spatialglue', 'spatialglue']]
def recipePairs(methods) {
    return methods.collect { method -> [method.preprocess.baseName, method.graph.baseName] }.unique()
}

// Whether latents, or a graph, are of a method's recipes.
def hasRecipes(method, meta) {
    return meta.preprocess == method.preprocess.baseName && (!meta.graph || meta.graph == method.graph.baseName)
}

// Whether latents, or a graph, are of the first method's recipes: what does not depend on the recipe is taken of those alone.
def isFirst(meta, methods) {
    return hasRecipes(methods.first(), meta)
}

// Why a method leaves out a dataset, e.g. 'needs several sections'; null where it can run.
def obstacle(method, meta) {
    if (method.sections && meta.stack.size() < 2) {
        return 'needs several sections'
    }
    if (method.most_spots && (meta.spots ?: 0) > method.most_spots) {
        return "takes ${method.most_spots} spots at most, and there are ${meta.spots}".toString()
    }
    if (meta.too_large && meta.too_large[method.name]) {
        return meta.too_large[method.name]
    }
    def missing = (method.needs ?: []) - (meta.given ?: [])
    // What is in a file of several modalities is not known yet: only a method that is named takes the risk.
    return missing && !(method.named && 'multi' in meta.given) ? "needs ${missing.join(' and ')}".toString() : null
}

// Whether a method can run on a dataset: some need several sections, certain modalities, or more memory than there is.
def fits(method, meta) {
    return obstacle(method, meta) == null
}

// How many runs of these methods a dataset gets.
def countRuns(names, methods, meta, options) {
    return options.seeds * methods.count { method -> method.name in names && fits(method, meta) }
}

// How many runs the consensus of a dataset would join.
def countMembers(methods, meta, options) {
    return countRuns(weaveMembers(options, methods), methods, meta, options)
}

// Whether so many runs have a consensus: of two it would be no better than either (domains/consensus.py).
def isEnough(count) {
    return count >= 3
}

// Whether a dataset has a consensus, if its runs succeed.
def isWoven(methods, meta, options) {
    return isEnough(countMembers(methods, meta, options))
}
