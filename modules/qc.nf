include { requestedMemory ; retryOrGiveUp } from './checks/tasks'

// The QC thresholds as options of bin/qc.py, e.g. '--rna-min-counts 1 --min-spots 1'
def qcOptions(options) {
    return options.findAll { name, _value -> name.startsWith('qc_') }
        .collect { name, value -> "--${name.substring(3).replace('_', '-')} ${value}" }.join(' ')
}

// Quality metrics of every spot; spots and features that miss a threshold are removed, and listed with the reason.
process QC {
    tag "${meta.dataset}/${meta.section}"
    label 'medium'
    memory { requestedMemory('QC', section, task.attempt) }
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(section, stageAs: 'unfiltered/*')
    val thresholds
    val code

    output:
    tuple val(meta), path("${meta.section}.section.h5mu"), emit: section
    tuple val(meta), path("results/${meta.dataset}/qc/*"), emit: quality
    tuple val("${task.process}"), eval('software_versions.py matplotlib mudata'), topic: versions
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    """
    # code ${code}
    qc.py --in-section ${section} ${thresholds} --out '${meta.section}.section.h5mu' --out-dir 'results/${meta.dataset}/qc'
    """

    stub:
    """
    mkdir -p 'results/${meta.dataset}/qc'
    touch '${meta.section}.section.h5mu' 'results/${meta.dataset}/qc/${meta.section}'.{qc_spots.csv,qc_summary.csv,qc_lines.csv,qc_mqc.tsv,qc_coordinates.png,qc_maps.png,qc_violins.png}
    """
}
