// How many entries the channels of files get for a dataset if no step fails, so that its report need not wait for other datasets.
// With too few of them it is made at the end of the run. Whoever adds files to the `files` of a workflow counts them here.

include { countRuns ; isWoven ; recipePairs } from './runs'

// Of PREPARE: what was read and quality control of every section, latents of every recipe, counts, statistics of every graph, and
// one graph.
def preparedFiles(meta, methods) {
    def recipes = methods*.preprocess.unique(false)
    return 2 * meta.stack.size() + recipes.size() + recipePairs(methods).size() + 2
}

// Of REGISTER: coordinates and transforms.
def registeredFiles(meta, methods, options) {
    return isAligned(meta, methods, options) ? 2 : 0
}

// Of INTEGRATE: embedding, domains, their summary and metrics of every run, and its pairs and their quality where sections are
// aligned; the same without a summary of the consensus; the choice of the number of domains; the verdict.
def integratedFiles(meta, methods, options, is_open) {
    if (options.reference) {
        // With the table of how like the reference the sections are.
        return 5
    }
    def runs = countRuns(methods*.name, methods, meta, options)
    return runs * (isAligned(meta, methods, options) ? 6 : 4) + (isWoven(methods, meta, options) ? 3 : 0) + (is_open ? 1 : 0) + (options.assess ? 1 : 0)
}

// Whether the sections of a dataset are aligned.
def isAligned(meta, methods, options) {
    return meta.stack.size() > 1 && (options.align || methods.any { method -> method.sections == 'aligned' })
}
