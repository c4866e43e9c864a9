// Spatial and feature neighbours, once per dataset and graph recipe.
process GRAPH {
    tag "${meta.dataset}, ${meta.graph}"
    label 'medium'

    input:
    tuple val(meta), path(latents), path(recipe)
    val n_neighbours // -1 for those of the recipe
    val code

    output:
    tuple val(meta), path('graph.h5ad'), emit: graph
    tuple val(meta), path("results/${meta.dataset}/graphs/${meta.preprocess}.${meta.graph}.graph.csv"), emit: statistics
    tuple val("${task.process}"), eval('software_versions.py faiss-cpu scipy'), topic: versions

    script:
    def neighbours = n_neighbours >= 0 ? "--n-neighbours ${n_neighbours}" : ''
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
