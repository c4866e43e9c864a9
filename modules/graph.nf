include { requestedMemory ; retryOrGiveUp } from './checks/tasks'

// Neighbours that hold instead of the recipe's, as options of bin/graph.py, e.g. '--n-neighbours 6 --feature-neighbours 10'
def graphOptions(options) {
    return [n_neighbours: 'n-neighbours', spatial_radius: 'radius', feature_neighbours: 'feature-neighbours']
        .findAll { name, _option -> options[name] != null }
        .collect { name, option -> "--${option} ${options[name]}" }.join(' ')
}

// Spatial and feature neighbours, once per dataset and graph recipe.
process GRAPH {
    tag "${meta.dataset}, ${meta.graph}"
    label 'medium'
    memory { requestedMemory('GRAPH', latents, task.attempt) }
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(latents), path(recipe)
    val neighbours
    val code

    output:
    tuple val(meta), path('graph.h5ad'), emit: graph
    tuple val(meta), path("results/${meta.dataset}/graphs/${meta.preprocess}.${meta.graph}.graph.csv"), emit: statistics
    tuple val("${task.process}"), eval('software_versions.py faiss-cpu scipy'), topic: versions
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    """
    # code ${code}
    graph.py --latents ${latents} --recipe ${recipe} ${neighbours} --out graph.h5ad \\
        --stats 'results/${meta.dataset}/graphs/${meta.preprocess}.${meta.graph}.graph.csv'
    """

    stub:
    """
    mkdir -p 'results/${meta.dataset}/graphs'
    touch graph.h5ad 'results/${meta.dataset}/graphs/${meta.preprocess}.${meta.graph}.graph.csv'
    """
}
