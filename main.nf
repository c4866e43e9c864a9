#!/usr/bin/env nextflow
// spatialweave: from count matrices of a tissue to spatial domains, metrics and a report.

include { codeDigest                   } from './modules/checks/code'
include { givenNumber                  } from './modules/checks/domains'
include { failureLines                 } from './modules/checks/failures'
include { helpText                     } from './modules/checks/help'
include { planOf ; plannedSections     } from './modules/checks/plan'
include { closingText ; watchTrainings } from './modules/checks/progress'
include { attempt                      } from './modules/checks/refusals'
include { CHECK_SETS                   } from './modules/characterise'
include { ESTIMATE ; toEstimate        } from './modules/estimate'
include { CHECK_MODEL                  } from './modules/map'
include { SIMULATE                     } from './modules/simulate'
include { PREPARE                      } from './workflows/prepare'
include { REGISTER                     } from './workflows/register'
include { INTEGRATE                    } from './workflows/integrate'
include { MAP_SECTIONS                 } from './workflows/map'
include { REPORT                       } from './workflows/report'

workflow {
    if (params.help) {
        log.info(helpText())
        return
    }
    def plan = planOf(params)
    def options = plan.options
    def methods = plan.methods
    def model = plan.model
    def code = codeDigest()

    watchTrainings()

    // [section meta, files], e.g. [[dataset: 'embryo', section: 'embryo', platform: 'dbit', columns: ['rna', 'adt'], ...], [rna.h5ad, protein.h5ad]]
    if (options.simulate) {
        SIMULATE(options.simulate, options.seed, code)
        sheet = SIMULATE.out.samplesheet.flatMap { file ->
            // A function that refuses within an operator ends the run without its message.
            def refusals = []
            def sections = attempt(refusals) { -> plannedSections(file, plan) }
            refusals ? error(refusals.join('\n')) : sections
        }
    }
    else {
        sheet = channel.fromList(plan.sections)
    }
    if (options.estimate) {
        datasets = sheet
            .map { meta, files -> [meta.dataset, meta, files] }
            .groupTuple()
            .map { dataset, metas, files -> toEstimate(dataset, metas, files, plan) }
        ESTIMATE(datasets, file("${projectDir}/assets/resources.csv"), code)
        ESTIMATE.out.subscribe { lines -> log.info(lines) }
        return
    }
    // Only clustering needs the number of domains, and what the dataset has besides a section is not the section's: a change of
    // either repeats no earlier task.
    rows = sheet.map { meta, files -> [meta.findAll { name, _value -> !(name in ['n_domains', 'cohort', 'stack', 'given']) }, files] }
    // [dataset, dataset meta], e.g. ['embryo', [dataset: 'embryo', stack: ['embryo'], given: ['adt', 'rna']]]
    stacks = sheet.map { meta, _files -> [meta.dataset, meta.subMap('dataset', 'stack', 'given')] }.unique()
    // Nothing is computed before the model, if any, has been read.
    if (model) {
        CHECK_MODEL(model.preprocess, code)
        rows = rows.combine(CHECK_MODEL.out.fine).map { meta, files, _fine -> [meta, files] }
    }
    // Nothing is computed before the user's gene sets and panel have been read.
    if (plan.sets.gene_sets || plan.sets.panel) {
        CHECK_SETS(plan.sets.gene_sets, plan.sets.panel, code)
        rows = rows.combine(CHECK_SETS.out.fine).map { meta, files, _fine -> [meta, files] }
    }
    // [dataset, number of domains], e.g. ['embryo', 13] or ['node', 'auto']
    n_domains = sheet.map { meta, _files -> [meta.dataset, model ? model.domains : meta.n_domains ?: givenNumber(options) ?: 'auto'] }.unique()

    // INGEST and QC for every section, PREPROCESS and GRAPH for every dataset and recipe.
    // inputs: [recipes meta, latents, graph], e.g. [[dataset: 'embryo', ..., preprocess: 'smart', graph: 'spatial'], smart.latents.h5mu, graph.h5ad]
    prepared = PREPARE(rows, stacks, methods, options, code)

    // ALIGN for consecutive sections, STACK for every dataset, where a method or --align requires it.
    // aligned: [dataset, coordinates], e.g. ['brain', coordinates.csv]; coordinates: one element for every dataset, e.g. ['brain', coordinates.csv] or ['embryo', []]
    registered = REGISTER(prepared.datasets, prepared.latents, methods, options, code)

    // TRAIN, CLUSTER, EVALUATE and, for aligned sections, MATCH, for every dataset, method and seed; SCAN and CHOOSE where the
    // number of domains is not given; WEAVE and ASSESS for every dataset.
    // metrics: [run meta, metrics], e.g. [[id: 'smart.seed1', dataset: 'embryo', ..., method: 'smart', seed: 1], smart.seed1.metrics.csv]
    // With a saved model MAP in place of all but EVALUATE.
    if (model) {
        integrated = MAP_SECTIONS(prepared.inputs, prepared.counts, model, options, code)
    }
    else {
        integrated = INTEGRATE(prepared.datasets, prepared.inputs, registered.aligned, registered.coordinates, n_domains, methods, plan.saved, options, code)
    }

    // CHARACTERISE, COHORT, ASSEMBLE, EXPORT and REPORT_DATASET for every dataset, SUMMARISE and REPORT_RUN for the run.
    // files: [meta, files], e.g. [[dataset: 'embryo', ..., preprocess: 'smart'], smart.latents.h5mu]
    files = prepared.files.mix(registered.files, integrated.files)
    // The datasets whose conditions are compared, e.g. 'brain'
    cohorts = sheet.filter { meta, _files -> options.cohort && meta.cohort }.map { meta, _files -> [meta.dataset] }.unique()
    reported = REPORT(model ? prepared.datasets : integrated.datasets, n_domains, files, integrated.planned, integrated.left_out, integrated.records, integrated.metrics, integrated.verdicts, integrated.models, integrated.quality, methods, plan.notices, cohorts, plan.sets, plan.given, code)

    // The report and verdicts of this run, not those that an earlier run left in the same folder
    def written = []
    def verdicts = [:]
    reported.html.subscribe { html -> written << html }
    integrated.verdicts.subscribe { meta, judged -> verdicts[meta.dataset] = judged.find { path -> path.name == 'verdict.json' } }

    workflow.onComplete = {
        def failed = failureLines()
        if (failed) {
            def known = written ? '; the report lists them with their reasons' : ''
            log.warn("${failed.size()} task(s) failed and were left out${known}:\n  ${failed.join('\n  ')}")
        }
        def table = file("${options.outdir}/notices.csv")
        def notices = written && table.exists() && table.size() ? table.splitCsv(header: true, quote: '"') : []
        if (notices) {
            def lines = notices.collect { notice -> "${notice.process} (${notice.task}): ${notice.notice}" }
            log.warn("${lines.size()} notice(s), also in ${table.toUriString()}:\n  ${lines.join('\n  ')}")
        }
        if (written && !workflow.preview) {
            log.info("\n${closingText(options.outdir, verdicts)}\nThe report: ${file("${options.outdir}/report.html").toUriString()}\n")
        }
    }
}
