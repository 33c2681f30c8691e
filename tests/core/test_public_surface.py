import dynascope


def test_exported_members_are_what_the_documentation_names() -> None:
    assert sorted(dynascope.__all__) == sorted(
        [
            *(
                "Activation",
                "Adopted",
                "Analyzer",
                "Architecture",
                "Batch",
                "Config",
                "Dataset",
                "Family",
                "ForeignRun",
            ),
            *("METRICS", "AllWeights", "ForwardPass", "Gradient", "Logit", "Logits", "Loss", "LossHessian", "Rows"),
            *("Comparison", "Instrument", "Series", "SeriesAnalyzer", "SlicedAnalyzer", "VariantsAnalyzer", "compare"),
            *("Frame", "Label", "Layout", "Snapshot", "export_variant", "import_run"),
            *(
                "Output",
                "Parameters",
                "Probe",
                "ProbeSettings",
                "Report",
                "TextBlock",
                "ViewBlock",
                "ChosenProbe",
                "Lines",
                "Step",
                "Stored",
                "Training",
                "View",
                "Weight",
                "hookimpl",
            ),
            *("Registry", "Variant", "Workspace", "analyze", "open", "read_report", "registry", "train"),
            *("AnalysisError", "ArtifactError", "CheckpointError", "DynascopeError", "ExchangeError", "InvalidSetting"),
            *("JobError", "NotOffered", "PluginError", "TrainingError", "UnknownName", "WorkspaceError"),
        ]
    )


def test_every_exported_member_can_be_reached() -> None:
    for name in dynascope.__all__:
        assert getattr(dynascope, name) is not None


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    assert not hasattr(dynascope, "no_such_thing")
