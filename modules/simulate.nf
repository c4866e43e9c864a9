// A tissue with known domains, for the demo and the tests.
process SIMULATE {
    tag "${preset}"
    label 'small'

    input:
    val preset
    val seed
    val code

    output:
    path '*.h5ad', emit: modalities
    path 'samplesheet.csv', emit: samplesheet
    tuple val("${task.process}"), eval('software_versions.py anndata numpy'), topic: versions

    script:
    """
    # code ${code}
    simulate.py --preset ${preset} --seed ${seed} --out-dir .
    """

    stub:
    """
    touch rna.h5ad adt.h5ad
    printf 'dataset,section,rna,adt,labels,platform,n_domains\\n${preset},${preset},rna.h5ad,adt.h5ad,label,square,5\\n' > samplesheet.csv
    """
}
