include { requestedMemory ; retryOrRefuse } from './checks/tasks'

// From one row of the samplesheet to one section file: the files of a section, in any accepted format.
process INGEST {
    tag "${meta.dataset}/${meta.section}"
    label 'medium'
    memory { requestedMemory('INGEST', files, task.attempt) }
    errorStrategy { retryOrRefuse(task, meta) }

    input:
    tuple val(meta), path(files, stageAs: 'input?/*')
    val code

    output:
    tuple val(meta), path("${meta.section}.section.h5mu"), emit: section
    tuple val(meta), path("results/${meta.dataset}/qc/${meta.section}.ingest.csv"), emit: understood
    stdout emit: line
    tuple val("${task.process}"), eval('software_versions.py anndata mudata scanpy spatialdata'), topic: versions
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    def inputs = [meta.columns, files instanceof List ? files : [files]].transpose().collect { column, path -> "--${column} ${path}" }.join(' ')
    def labels = meta.labels ? "--labels '${meta.labels}'" : ''
    def platform = meta.platform ? "--platform ${meta.platform}" : ''
    def declared = ['precomputed', 'measured', 'layer', 'bin'].collectMany { option ->
        (meta[option] ?: []).collect { choice -> "--${option} '${choice}'" }
    }.join(' ')
    def section_column = meta.section_column ? "--section-column '${meta.section_column}'" : ''
    def genome = meta.genome ? "--genome '${meta.genome}'" : ''
    def scale = meta.scale ? "--scale ${meta.scale}" : ''
    def image_features = meta.image_features ? '--image-features' : ''
    def carried = meta.carried.collect { name, value -> "--meta '${name}=${value}'" }.join(' ')
    def order = meta.order != null ? "--order ${meta.order}" : ''
    """
    # code ${code}
    ingest.py --dataset '${meta.dataset}' --section '${meta.section}' ${inputs} ${labels} ${platform} ${declared} \\
        ${section_column} ${genome} ${scale} ${image_features} ${carried} ${order} \\
        --out '${meta.section}.section.h5mu' --out-understood 'results/${meta.dataset}/qc/${meta.section}.ingest.csv'
    """

    stub:
    """
    mkdir -p 'results/${meta.dataset}/qc'
    touch '${meta.section}.section.h5mu' 'results/${meta.dataset}/qc/${meta.section}.ingest.csv'
    """
}
