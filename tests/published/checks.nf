// The parameters and samplesheets of all published datasets through the checks in one process, from a folder with the data in
// data/: the methods and sections of each. It needs modules/, assets/, bin/ and nextflow_schema.json beside it.

include { chooseMethods ; checkFit } from './modules/checks/methods'
include { readSamplesheet          } from './modules/checks/samplesheet'
include { resolveParams            } from './modules/checks/params'

workflow {
    def found = file('assets/datasets').listFiles().collectEntries { folder ->
        def given = new org.yaml.snakeyaml.Yaml().load(folder.resolve('params.yml').text)
        def options = resolveParams(given)
        def methods = chooseMethods(options)
        def sections = checkFit(readSamplesheet(options.input, options.data), methods)
        [folder.name, [methods: methods.collectEntries { method -> [method.name, method.preset] }, sections: sections.collect { meta, files -> meta + [files: files*.toString()] }]]
    }
    new File(params.found).text = groovy.json.JsonOutput.toJson(found)
}
