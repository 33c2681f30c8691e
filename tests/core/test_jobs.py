"""Jobs outlive who started them, and what is recorded of them says the truth whatever ended them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.numpy import load_file
from tiny import FAMILY, TINY

from dynascope import InvalidSetting, JobError, UnknownName, Workspace, WorkspaceError, train
from dynascope.jobs import Job, identity, lock
from dynascope.jobs.command import COMMANDS, of_command_line, to_continue
from dynascope.jobs.progress import Progress, read_progress, report, report_to

SETTINGS = [f"{name}={value}" for name, value in TINY.items() if name != "epochs"]
LONG = ["--epochs", "100000", "--schedule", "0,100000"]


def cli(workspace, *arguments, code=0, folder=None):
    done = subprocess.run(
        [sys.executable, "-m", "dynascope", *map(str, arguments), "-w", str(workspace.path)],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=120,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def only(workspace) -> Job:
    (job,) = workspace.jobs.list()
    return job


@pytest.fixture(autouse=True)
def no_job_is_left(tmp_path):
    yield
    for folder in (tmp_path / "workspace" / "jobs").glob("[!.]*"):
        process = folder / "process.json"
        if process.exists() and identity.is_same_process(json.loads(process.read_text())):
            os.killpg(json.loads(process.read_text())["pid"], signal.SIGKILL)


@pytest.fixture
def training(new_workspace):
    """A job in the middle of a long training."""
    job = new_workspace.jobs.start("train", [FAMILY, *SETTINGS, *LONG])
    until(lambda: job.progress is not None and job.progress.done > 20)
    return job


def kill(job):
    os.killpg(json.loads((job.folder / "process.json").read_text())["pid"], signal.SIGKILL)
    until(lambda: job.state != "running")


# From start to end.


def test_a_job_outlives_the_process_that_started_it(new_workspace):
    command = ["train", FAMILY, *SETTINGS, "--epochs", "40", "--background"]
    starter = subprocess.Popen(
        [sys.executable, "-m", "dynascope", *command, "-w", str(new_workspace.path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    said, _ = starter.communicate(timeout=60)
    job = only(new_workspace)
    assert said == f"Job {job.id} was started. To follow it: dynascope jobs follow {job.id}\n"
    with pytest.raises(ProcessLookupError):
        os.killpg(starter.pid, signal.SIGKILL)  # nothing of the starter's session is left
    assert job.state == "running"
    assert job.command == "dynascope " + " ".join(command[:-1])
    assert job.wait(60) == "done"
    assert new_workspace.variants()[0].state == "trained"
    assert (job.code, job.reason, job.attempts) == (0, "", 1)
    assert (job.progress.done, job.progress.total, job.progress.what) == (40, 40, "epochs")
    assert "epochs 0 to 40" in job.log
    assert "\x1b" not in job.log
    assert "\r" not in job.log


def test_the_starter_has_no_child_to_wait_for(new_workspace):
    job = new_workspace.jobs.start("analyze")
    process = job._process(30)
    status = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    parent, session = int(status[1]), int(status[3])
    assert parent != os.getpid()
    assert session != os.getsid(0)
    assert job.wait(60) == "done"


def test_follow_prints_the_log_as_it_grows_and_exits_with_the_code(new_workspace):
    job = new_workspace.jobs.start("train", [FAMILY, *SETTINGS, "--epochs", "40"])
    pieces = list(job.follow())
    assert "".join(pieces) == job.log
    assert len(pieces) > 1
    assert job.state == "done"
    assert cli(new_workspace, "jobs", "follow", job.id) == job.log


def test_analysis_import_and_export_are_jobs_too(workspace, tmp_path):
    first, second = workspace.variants()
    (first.folder / "artifacts").rename(tmp_path / "away")
    cli(workspace, "export", second.name, "--to", "miscope", "--out", "there", "--background", folder=tmp_path)
    export = only(workspace)
    analysis = workspace.jobs.start("analyze", [first.name])
    assert (analysis.wait(60), export.wait(60)) == ("done", "done")
    assert analysis.progress == Progress(9, 9, "units", first.name)
    assert set(map(len, (first.artifacts.epochs(name) for name in first.artifacts.analyzers()))) == {3}
    assert export.progress == Progress(3, 3, "checkpoints")
    imported = workspace.jobs.start("import", ["there", "--name", "back"], folder=tmp_path)
    assert imported.wait(60) == "done", imported.log
    assert imported.progress.what == "checkpoints"
    assert workspace.variant("back").checkpoints == [20, 40]  # that layout has none before the first update
    assert [job.id for job in workspace.jobs.list()] == [export.id, analysis.id, imported.id]


def test_replay_and_adding_checkpoints_are_jobs_too(workspace, tmp_path):
    variant = workspace.variants()[0]
    said = cli(workspace, "replay", variant.name, "--epoch", 7, "--out", "seven", "--background", folder=tmp_path)
    replay = only(workspace)
    assert said == f"Job {replay.id} was started. To follow it: dynascope jobs follow {replay.id}\n"
    assert replay.command == f"dynascope replay {variant.name} --epoch 7 --out seven"
    assert cli(workspace, "jobs", "follow", replay.id) == replay.log
    assert f"{variant.name}, epoch 7, replayed from epoch 0: equal to the last bit" in replay.log
    assert (replay.state, replay.progress) == ("done", Progress(20, 20, "epochs", variant.name))
    assert load_file(tmp_path / "seven").keys() == variant.weights(0).keys()

    cli(workspace, "checkpoints", "add", variant.name, "10,20,30", "--background")
    adding = next(job for job in workspace.jobs.list() if job.id != replay.id)
    assert "-checkpoints-add-" in adding.id
    assert adding.command == f"dynascope checkpoints add {variant.name} 10,20,30"
    assert adding.wait(60) == "done", adding.log
    assert adding.progress == Progress(40, 40, "epochs", variant.name)
    assert "2 checkpoints added, 1 were there" in adding.log
    assert variant.checkpoints == [0, 10, 20, 30, 40]


def test_each_of_the_commands_is_started_from_python(workspace, tmp_path):
    first, second = (variant.name for variant in workspace.variants())
    arguments = {
        "analyze": [first],
        "bundle": [second, "--out", "bundle.zip"],
        "checkpoints add": [first, "5"],
        "draw": ["training.losses", second, "--out", "losses.png"],
        "export": [second, "--to", "transformer-lens", "--out", "out"],
        "import": ["there", "--name", "back"],
        "replay": [second, "--epoch", "3"],
        "report export": ["grokking", "--variant", second, "--out", "report.html"],
        "train": [FAMILY, *SETTINGS, "--epochs", "5", "--schedule", "0,5"],
    }
    assert sorted(arguments) == list(COMMANDS)
    cli(workspace, "export", second, "--to", "miscope", "--out", tmp_path / "there")
    jobs = [workspace.jobs.start(name, given, folder=tmp_path) for name, given in arguments.items()]
    assert [job.wait(120) for job in jobs] == ["done"] * 9, [job.log for job in jobs]
    assert workspace.variant(first).checkpoints == [0, 5, 20, 40]
    assert workspace.variant(second).replayed_folder.epochs() == [3]
    assert all((tmp_path / made).exists() for made in ("out", "bundle.zip", "losses.png", "report.html"))


@pytest.mark.slow
def test_replay_and_adding_checkpoints_that_are_cancelled_go_on(new_workspace):
    variant = new_workspace.new_variant(FAMILY, {**TINY, "epochs": 3000})
    train(variant, schedule="0,3000", keep_optimizer="none")
    adding = new_workspace.jobs.start("checkpoints add", [variant.name, "0:3001:100"])
    replay = new_workspace.jobs.start("replay", [variant.name, "--epoch", "2950"])
    for job, done in ((replay, 20), (adding, 200)):
        until(lambda job=job, done=done: job.progress is not None and job.progress.done > done)
        assert job.cancel(patience=60) == "cancelled"
        assert f"To continue: dynascope jobs continue {job.id}" in job.log
    some = len(variant.checkpoints)
    assert 2 < some < 31
    assert variant.recipe["schedule"] == variant.checkpoints  # what was added is known
    assert variant.replayed_folder.epochs() == []
    assert adding.resume().wait(60) == replay.resume().wait(60) == "done"
    assert f"{31 - some} checkpoints added, {some} were there" in adding.log
    assert variant.checkpoints == list(range(0, 3001, 100))
    assert variant.replayed_folder.epochs() == [2950]


# Ended early.


def test_a_crash_of_the_interpreter_leaves_its_trace(training):
    os.kill(json.loads((training.folder / "process.json").read_text())["pid"], signal.SIGSEGV)
    assert training.wait(30) == "gone"
    assert "Fatal Python error: Segmentation fault" in training.log


def test_a_failing_command_leaves_its_message_and_code(new_workspace):
    job = new_workspace.jobs.start("train", [FAMILY, "sed=1"])
    assert job.wait(60) == "failed"
    assert job.code == 2
    assert job.reason.startswith("Error: ")
    assert "'sed'. Did you mean 'seed'" in job.reason
    assert "Traceback" not in job.log
    assert job.reason in cli(new_workspace, "jobs", "follow", job.id, code=2)
    (row,) = json.loads(cli(new_workspace, "jobs", "--json"))
    assert (row["state"], row["code"], row["error"]) == ("failed", 2, job.reason)
    assert job.reason in cli(new_workspace, "jobs")


def test_a_wrong_option_is_told_without_its_frame(new_workspace):
    job = new_workspace.jobs.start("analyze", ["--nothing"])
    assert job.wait(60) == "failed"
    assert job.reason == "No such option: --nothing"


def test_a_second_job_on_the_same_variant_fails_with_the_reason(training, new_workspace):
    second = new_workspace.jobs.start("train", [FAMILY, *SETTINGS, *LONG])
    assert second.wait(60) == "failed"
    assert "is being trained by another process" in second.reason
    assert training.state == "running"


@pytest.mark.slow
def test_cancel_saves_and_continue_reaches_the_same_bytes(tmp_path, new_workspace):
    arguments = [FAMILY, *SETTINGS, "--epochs", "3000", "--schedule", "0:3000:500"]
    whole = Workspace.create(tmp_path / "whole").new_variant(FAMILY, {**TINY, "epochs": 3000})
    train(whole, schedule="0:3000:500")

    job = new_workspace.jobs.start("train", arguments)
    until(lambda: job.progress is not None and job.progress.done > 20)
    assert job.cancel(patience=60) == "cancelled"
    assert job.code == 130
    assert f"To continue: dynascope jobs continue {job.id}" in job.log
    (variant,) = new_workspace.variants()
    (saved,) = variant.resume_folder.epochs()
    assert saved == len(variant.metrics_file.read()["epoch"])
    assert f"Job {job.id}: cancelled." in cli(new_workspace, "jobs", "follow", job.id, code=130)

    assert "attempt 2" in cli(new_workspace, "jobs", "continue", job.id)
    assert job.wait(60) == "done"
    assert f"epochs {saved} to 3000" in job.log
    assert "Interrupted" not in job.log
    assert "Interrupted" in job.log_file.read_text()
    for name in ("checkpoints", "optimizer"):
        for path in (whole.folder / name).iterdir():
            assert path.read_bytes() == (variant.folder / name / path.name).read_bytes()
    assert (whole.folder / "metrics.csv").read_bytes() == (variant.folder / "metrics.csv").read_bytes()


def test_a_job_that_was_killed_is_gone_and_can_be_continued(training, new_workspace):
    kill(training)
    assert (training.state, training.code) == ("gone", None)
    assert f"To continue: dynascope jobs continue {training.id}" in training.reason
    assert "gone" in cli(new_workspace, "jobs", "follow", training.id, code=137)
    with pytest.raises(JobError, match="is gone: only a job that is running"):
        training.cancel()
    before = training.progress.done
    assert training.resume().state == "running"
    until(lambda: training.progress is not None and training.progress.done > before)
    said = cli(new_workspace, "jobs", "cancel", training.id, "--wait", 60)
    assert said == f"Job {training.id}: cancelled. To continue: dynascope jobs continue {training.id}\n"
    assert (training.state, training.code, training.attempts) == ("cancelled", 130, 2)


def test_of_two_that_continue_a_job_one_does(training, new_workspace):
    kill(training)
    command = [sys.executable, "-m", "dynascope", "jobs", "continue", training.id, "-w", str(new_workspace.path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = ["".join(process.communicate(timeout=60)) for process in both]
    assert sorted(process.returncode for process in both) == [0, 2], said
    assert any("is running" in text for text in said)
    assert (training.state, training.attempts) == ("running", 2)


@pytest.mark.slow
def test_what_begins_again_does_so_once(new_workspace):
    short = new_workspace.jobs.start("train", [FAMILY, *SETTINGS, "--epochs", "5", "--schedule", "0,5"])
    assert short.wait(60) == "done"
    (variant,) = new_workspace.variants()
    job = new_workspace.jobs.start("train", [FAMILY, *SETTINGS, *LONG, "--overwrite", variant.name])
    until(lambda: job.progress is not None and job.progress.done > 20)
    assert job.cancel(patience=60) == "cancelled"
    (saved,) = new_workspace.variants()[0].resume_folder.epochs()
    assert job.resume().command == short.command.replace("--epochs 5", "--epochs 100000").replace("0,5", "0,100000")
    until(lambda: job.progress is not None)
    assert job.progress.done >= saved
    assert job.cancel(patience=60) == "cancelled"


def test_ctrl_c_ends_the_following_and_not_the_job(training, new_workspace):
    command = [sys.executable, "-m", "dynascope", "jobs", "follow", training.id, "-w", str(new_workspace.path)]
    following = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert following.stdout.readline().startswith("$ dynascope train")
    following.send_signal(signal.SIGINT)
    said, _ = following.communicate(timeout=30)
    assert following.returncode == 130
    assert "the job goes on" in said
    assert training.state == "running"


def test_what_cannot_be_recorded_is_one_clear_error(new_workspace):
    (new_workspace.path / "jobs").write_text("in the way")
    with pytest.raises(WorkspaceError, match="Could not make the folder"):
        new_workspace.jobs.start("analyze")


def test_cancel_at_once_is_a_cancel(new_workspace):
    job = new_workspace.jobs.start("train", [FAMILY, *SETTINGS, *LONG])
    assert job.cancel(patience=60) == "cancelled"
    assert job.code == 130


@pytest.mark.slow
def test_an_ensemble_that_is_cancelled_ends_with_its_processes(new_workspace):
    job = new_workspace.jobs.start("train", [FAMILY, *SETTINGS, *LONG, "--seeds", "0:3", "--workers", "2"])
    until(lambda: job.progress is not None and job.progress.done > 20)
    group = json.loads((job.folder / "process.json").read_text())["pid"]
    assert job.cancel(patience=60) == "cancelled"
    until(lambda: not group_is_alive(group))
    assert {variant.state for variant in new_workspace.variants()} == {"interrupted"}


@pytest.mark.slow
def test_an_ensemble_that_was_killed_is_continued_at_once_while_its_processes_still_save(new_workspace):
    arguments = [FAMILY, *SETTINGS, "--epochs", "300", "--schedule", "0,300", "--seeds", "0:3", "--workers", "2"]
    job = new_workspace.jobs.start("train", arguments)
    until(lambda: job.progress is not None and job.progress.done > 20)
    process = json.loads((job.folder / "process.json").read_text())["pid"]
    workers = [int(pid) for task in Path(f"/proc/{process}/task").iterdir()
               for pid in (task / "children").read_text().split()
               if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]  # fmt: skip
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)  # these take long to save
    os.kill(process, signal.SIGKILL)
    until(lambda: job.state == "gone")
    try:
        job.resume()
        until(lambda: "Waiting up to 10 s for another process" in job.log)
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGCONT)
    assert job.wait(60) == "done", job.log
    assert {variant.state for variant in new_workspace.variants()} == {"trained"}


def group_is_alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_force_kills_what_does_not_end(training):
    os.kill(json.loads((training.folder / "process.json").read_text())["pid"], signal.SIGSTOP)
    assert training.cancel(patience=0.3) == "running"
    assert training.cancel(force=True, patience=0.3) == "cancelled"
    assert training.code is None


def test_a_running_job_is_neither_continued_nor_removed(training, new_workspace):
    with pytest.raises(JobError, match="is running: there is nothing to continue"):
        training.resume()
    assert "is running. Wait for its end, or cancel it first" in cli(
        new_workspace, "jobs", "remove", training.id, code=2
    )
    assert training.state == "running"


def test_a_number_that_is_another_process_by_now_is_not_signalled(training):
    process = training.folder / "process.json"
    content = json.loads(process.read_text())
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        process.write_text(json.dumps({**content, "pid": other.pid}))
        with pytest.raises(JobError, match=f"process {other.pid} is not the one that it was"):
            training.cancel(patience=1)
        process.write_text(json.dumps({**content, "host": "elsewhere"}))
        with pytest.raises(JobError, match="runs on elsewhere"):
            training.cancel(patience=1)
        process.write_text(json.dumps(content))
        assert training.state == "running"
        kill(training)
        process.write_text(json.dumps({**content, "pid": other.pid}))
        assert training.state == "gone"  # whatever has its number now
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_copy_of_a_running_job_is_gone(training, new_workspace):
    """As in a workspace that was copied to another machine, or unpacked from an archive."""
    copy = training.folder.with_name("copy")
    copy.mkdir()
    for path in training.folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert new_workspace.jobs["copy"].state == "gone"


# The list.


def test_a_damaged_record_is_a_row_with_its_error(new_workspace):
    job = new_workspace.jobs.start("analyze")
    assert job.wait(60) == "done"
    for name, text in (("torn", '{"format": 1'), ("newer", '{"format": 2}'), ("odd", '{"format": 1, "arguments": 5}')):
        (new_workspace.path / "jobs" / name).mkdir()
        (new_workspace.path / "jobs" / name / "job.json").write_text(text)
    (new_workspace.path / "jobs" / "empty").mkdir()  # its starter was killed before it recorded anything
    assert [one.id for one in new_workspace.jobs.list()] == [job.id] == list(new_workspace.jobs)
    assert sorted(new_workspace.jobs.broken()) == ["newer", "odd", "torn"]
    rows = {row["job"]: row for row in json.loads(cli(new_workspace, "jobs", "--json"))}
    assert rows[job.id]["state"] == "done"
    assert "is not valid JSON" in rows["torn"]["error"]
    assert "has format 2; this version of Dynascope reads 1" in rows["newer"]["error"]
    assert "must hold 'arguments', a list of texts" in rows["odd"]["error"]
    with pytest.raises(WorkspaceError, match="is not valid JSON"):
        new_workspace.jobs["torn"]
    for name in ("torn", "newer", "odd"):
        assert "was removed" in cli(new_workspace, "jobs", "remove", name)
    assert not new_workspace.jobs.broken()


@pytest.mark.parametrize("name", ["exit.json", "progress.json"])
@pytest.mark.parametrize("text", ["", "[]", '{"code": "x", "done": "x"}'])
def test_what_else_is_damaged_is_as_if_it_were_not_there(new_workspace, name, text):
    job = new_workspace.jobs.start("analyze")
    assert job.wait(60) == "done"
    (job.folder / name).write_text(text)
    (row,) = json.loads(cli(new_workspace, "jobs", "--json"))
    assert row["state"] == ("gone" if name == "exit.json" else "done")
    assert row["progress"] is None


def test_remove_deletes_the_record_only(new_workspace):
    job = new_workspace.jobs.start("train", [FAMILY, *SETTINGS, "--epochs", "5", "--schedule", "0,5"])
    assert job.wait(60) == "done"
    assert f"Job {job.id} was removed. What it made stays." in cli(new_workspace, "jobs", "remove", job.id)
    assert not list((new_workspace.path / "jobs").iterdir())
    assert new_workspace.variants()[0].state == "trained"
    assert "No job yet" in cli(new_workspace, "jobs")


def test_an_unknown_name_is_told_the_nearest(new_workspace):
    job = new_workspace.jobs.start("analyze")
    job.wait(60)
    for command in ("follow", "cancel", "continue", "remove"):
        assert f"Did you mean '{job.id}'" in cli(new_workspace, "jobs", command, job.id[:-1], code=2)
    with pytest.raises(JobError, match="is done: there is nothing to continue"):
        job.resume()
    with pytest.raises(UnknownName, match="Did you mean 'train'"):
        new_workspace.jobs.start("trian")
    with pytest.raises(UnknownName, match="Did you mean 'checkpoints add'"):
        new_workspace.jobs.start("checkpoints ad")
    with pytest.raises(InvalidSetting, match="must not hold --background or --workspace"):
        new_workspace.jobs.start("train", [FAMILY, "-w", "elsewhere"])
    with pytest.raises(InvalidSetting, match="nowhere is none"):
        new_workspace.jobs.start("train", [FAMILY], folder="nowhere")
    assert len(new_workspace.jobs) == 1


def test_the_folder_in_which_it_worked_must_be_there_to_continue(new_workspace, tmp_path):
    (tmp_path / "here").mkdir()
    job = new_workspace.jobs.start("import", ["nothing"], folder=tmp_path / "here")
    assert job.wait(60) == "failed"
    (tmp_path / "here").rmdir()
    with pytest.raises(JobError, match="here, which is not a folder"):
        job.resume()
    assert job.state == "failed"


# Parts.


def test_what_the_job_knows_by_itself_is_left_out_of_the_command():
    given = [
        "train",
        "f",
        "-w",
        "x",
        "p=5",
        "--background",
        "-wy",
        "--workspace=z",
        "--workspace",
        "z",
        "--epochs",
        "3",
    ]
    assert of_command_line(given) == ["train", "f", "p=5", "--epochs", "3"]
    assert of_command_line(["import", "--", "-w", "x"]) == ["import", "--", "-w", "x"]
    assert to_continue(["train", "f", "--overwrite", "v", "--overwrite=v", "p=5"]) == ["train", "f", "p=5"]


def test_a_lock_is_held_as_long_as_one_process_has_it(tmp_path):
    file = tmp_path / ".lock"
    assert not lock.is_held(file)
    with lock.holding(file, "one") as descriptor:
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[descriptor], text=True
        )
    assert lock.is_held(file)
    with pytest.raises(JobError, match="Job one is running"), lock.holding(file, "one", patience=0.1):
        pass
    child.communicate("\n")
    assert not lock.is_held(file)


def test_reports_are_for_jobs_and_are_written_twice_a_second(tmp_path, monkeypatch):
    report(1, 2, "units")  # no job: nothing happens
    monkeypatch.setattr("dynascope.jobs.progress._Reporter.folder", None)  # as it was, at the end
    report_to(tmp_path)
    replaced = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda path, target: replaced.append(target) or replace(path, target))
    begun = time.monotonic()
    while time.monotonic() - begun < 1.2:
        report(1, 2, "units")
        time.sleep(0.001)
    assert 2 <= len(replaced) <= 3
    assert read_progress(tmp_path) == Progress(1, 2, "units")
    assert str(Progress(1200, 3000, "epochs", "loss 1")) == "1,200/3,000 epochs  loss 1"


def test_a_job_says_which_variants_it_works_on_and_how_long_it_takes(training, new_workspace):
    until(lambda: training.progress is not None and training.progress.left is not None)
    (variant,) = new_workspace.variants()
    assert training.variants == [variant.full_name]
    assert training.arguments[:2] == ["train", FAMILY]
    assert training.progress.left > 0
    assert not training.is_ending
    training.cancel(patience=30)
    reached = variant.metadata["epoch"]
    assert variant.metadata["from_epoch"] == 0
    training.resume()
    until(lambda: training.progress is not None)
    training.cancel(patience=30)
    assert variant.metadata["from_epoch"] == reached


def test_the_time_that_is_left_is_told_at_the_mean_speed_of_the_attempt(tmp_path, monkeypatch):
    monkeypatch.setattr("dynascope.jobs.progress._Reporter.folder", None)  # as it was, at the end
    now = [100.0]
    monkeypatch.setattr("dynascope.jobs.progress.time.monotonic", lambda: now[0])
    report_to(tmp_path)
    for seconds, done, left in ((0, 500, None), (1, 510, None), (4, 540, 46.0), (10, 1000, 0.0)):
        now[0] = 100.0 + seconds
        report(done, 1000, "epochs")
        assert (read_progress(tmp_path).left) == left
    now[0] += 10
    report(0, 20, "units")  # something else is counted: it begins anew
    assert read_progress(tmp_path).left is None
