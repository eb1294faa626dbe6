"""The rows of `fault_table.py`: every fault of issue 14, what is expected of it, and how it is done, as data."""

import os

from fault_bench import (
    Fault,
    Proof,
    as_uninterrupted,
    copies_together,
    failed_and_continues,
    full_disk_in,
    names_no_path,
    no_memory,
    small_files,
    works_afterwards,
)
from fault_damages import (
    break_off_download,
    cache_fault,
    copy_across,
    copy_everywhere,
    cut,
    data_fault,
    inside_data,
    is_cut,
    is_lost,
    is_nan,
    key_fault,
    model_fault,
    newest,
    ready_parts,
    refused_before,
    render_fault,
    run_fault,
    sofa_fault,
    sounds_fault,
    special,
    stop_foreign,
    text_fault,
    with_json,
    with_temperature,
    with_tensors,
    without_manifest,
)
from matplotlib.figure import Figure
from measuring import CLASSES

from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.trunk import shards

ALIASES = "\nBomb: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"Bomb{k}: &{chr(98 + k)} [{', '.join([f'*{chr(97 + k)}'] * 9)}]\n" for k in range(9)
)
UNKNOWN = "".join(f"key{k}: 1\n" for k in range(20_000))
VALUES: dict[str, object] = {
    "per_device_train_batch_size": 0,
    "seed": -1,
    "learning_rate": "nan",
    "gradient_accumulation_steps": 0,
    "dataloader_num_workers": -1,
    "num_train_epochs": "inf",
    "label_smoothing_factor": 1.5,
    "drop_path_rate": 1.5,
    "weight_decay": -0.1,
    "report_to": "nothing_known",
    "metric_for_best_model": "nothing",
    "head_only_epochs": 99,
    "ddp_static_graph": "true",
}
RUN_FILES = {"recipe.yaml": "report", "split.csv": "report", "history.csv": "report", "progress.json": "monitor"}
NO_FOLDER = "/dev/null"  # not even root makes folders in it
HALVED = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
QUICK = 10.0  # seconds that a recipe may take that is refused before it is built; 1 on a quiet machine
WEIGHTS = (
    ("a trunk tensor is missing", "is missing", with_tensors(is_lost)),
    ("a trunk tensor is cut", ", not [", with_tensors(is_cut)),
    ("weights are NaN", "is not finite", with_tensors(is_nan)),
    ("the file is cut", "the weights cannot be loaded", lambda model: cut(model / "model.safetensors")),
    ("a download was cut off", "abc.incomplete", break_off_download),
    ("another model_type", "vit", with_json("config.json", lambda c: c.update(model_type="vit"))),
    ("labels with a gap", "label", with_json(
        "config.json", lambda c: c.update(id2label=dict(zip("0124", CLASSES, strict=True)))
    )),
)  # fmt: skip


FAULTS: list[Fault | Proof] = [
    *(
        Fault("1 weights", f"{name}, {verb}", "refused", says, model_fault(change, verb))
        for verb in ("train", "predict", "export")
        for name, says, change in WEIGHTS
    ),
    *(
        Fault("1 weights", f"a trunk tensor is missing, {verb}", "refused", "is missing", run_fault(
            lambda run: with_tensors(is_lost)(run / "model"), verb
        ))
        for verb in ("evaluate", "explain", "push", "app")
    ),
    *(
        Fault("1 weights", f"temperature {value}, predict", "refused", "temperature", model_fault(
            with_temperature(value), "predict"
        ))
        for value in ("NaN", "0.049", "20.1")
    ),
    Fault("1 weights", "a processor of its own code, predict", "refused", "OwnProcessor", model_fault(
        with_json("preprocessor_config.json", lambda c: c.update(
            image_processor_type="OwnProcessor", auto_map={"AutoImageProcessor": "own.Own"}
        )), "predict"
    )),
    *(
        Fault("2 checkpoints", f"the newest one's {name} is cut", "recovered", "the one before it is used", run_fault(
            lambda run, name=name: cut(newest(run) / name), "train", "stopped"
        ), check=as_uninterrupted)
        for name in ("model.safetensors", "optimizer.pt", "trainer_state.json")
    ),
    *(
        Proof("2 checkpoints", name, "recovered", f"modeling/test_checkpoints.py::test_{test}")
        for name, test in (
            ("the best one is damaged",
             "a_damaged_best_checkpoint_gives_way_to_the_best_whole_one_and_metrics_say_so"),
            ("power is cut between writing and sealing", "older_checkpoints_go_only_when_the_new_one_is_sealed"),
            ("power is cut after finished", "all_is_on_the_disk_before_the_run_is_called_finished"),
            ("the umask lets a group read", "a_checkpoint_and_the_model_have_the_mode_that_the_umask_gives"),
        )
    ),
    *(
        Fault("3 continue", name, "refused", says, run_fault(lambda run: None, "train", "stopped", **keys))
        for name, says, keys in (
            ("with another batch size", "global batch", {"per_device_train_batch_size": 8}),
            ("with accumulation", "global batch", {"gradient_accumulation_steps": 2}),
            ("the same global batch amid an epoch", "2 x accumulation 2", HALVED),
        )
    ),
    Fault("3 continue", "with another number of processes", "refused", "was 2 processes", run_fault(
        with_json("environment.json", lambda environment: environment.update(processes=2)), "train", "stopped"
    )),
    Proof("3 continue", "the same global batch at the end of an epoch", "recovered",
          "modeling/test_checkpoints.py::test_another_division_of_the_batch_continues_at_the_end_of_an_epoch"),
    Fault("4 history", "SIGTERM amid an epoch, then continued", "recovered", "", run_fault(
        lambda run: None, "train", "stopped"
    ), check=as_uninterrupted),
    Fault("5 splits", "copies in two groups, by recording", "recovered", "", data_fault(
        copy_across, split_by="recording"
    ), check=copies_together),
    Fault("5 splits", "copies, by picture", "recovered", "the bytes of one in another", data_fault(copy_everywhere)),
    Fault("5 splits", "copies in ready parts, by recording", "refused", "same bytes", data_fault(
        ready_parts, split_by="recording"
    )),
    Fault("6 disk", "full, train", "refused", "the disk is full", run_fault(lambda run: None, "train", "stopped"),
          full_disk_in(TwoPhaseTrainer, "_save_optimizer_and_scheduler"), failed_and_continues),
    Fault("6 disk", "full, render", "refused", "free some space", render_fault, small_files, works_afterwards),
    Fault("6 disk", "full, mosaic", "refused", "free some space", sounds_fault(".wav"), small_files, works_afterwards),
    Fault("6 disk", "full, report", "refused", "free some space", run_fault(lambda run: None, "report"),
          full_disk_in(Figure, "savefig"), works_afterwards),
    Fault("6 disk", "full, trunk cache", "refused", "cache ls", cache_fault,
          full_disk_in(shards.os, "fsync"), works_afterwards),
    Proof("6 memory", "what CUDA says when it is out of it", "refused",
          "modeling/test_failures.py::test_out_of_memory_names_the_batch_and_the_accumulation_to_use"),
    Proof("6 memory", "out of it on a GPU", "refused",
          "test_cuda.py::test_a_gpu_that_runs_out_of_memory_says_what_to_use_instead"),
    Fault("6 memory", "out of it in training (CPU)", "refused", "--gradient_accumulation_steps 2", run_fault(
        lambda run: None, "train", "stopped"
    ), no_memory, failed_and_continues),
    *(
        Fault("6 rights", f"{variable} cannot be written, {verb}", "recovered", "", fault,
              environment={variable: NO_FOLDER})
        for variable in ("HOME", "TMPDIR")
        for verb, fault in (("train", key_fault()), ("evaluate", run_fault(lambda run: None, "evaluate")))
    ),
    Proof("6 rights", "no folder for matplotlib, report", "refused", "reporting/test_analysis.py::"
          "test_without_a_home_the_report_works_and_without_any_folder_it_names_the_variable"),
    Proof("6 rights", "no folder for uploads", "refused",
          "app/test_uploads.py::test_without_any_folder_that_can_be_written_the_variable_is_named"),
    Proof("6 rights", "a folder that cannot be listed", "refused",
          "test_files.py::test_a_folder_that_cannot_be_listed_is_not_called_empty"),
    *(
        Fault("7 run files", f"{name} emptied, {verb}", "refused", name, run_fault(
            lambda run, name=name: (run / name).write_bytes(b""), verb
        ))
        for name, verb in RUN_FILES.items()
    ),
    *(
        Fault("7 run files", f"{name} cut, train continued", "refused", name, run_fault(
            lambda run, name=name: cut(run / name), "train", "stopped"
        ))
        for name in ("recipe.yaml", "split.csv")
    ),
    Proof("7 run files", "folds' plan.json damaged", "refused",
          "folds/test_crossval.py::test_a_damaged_plan_is_named_with_the_way_out"),
    Proof("7 run files", "a fold's split damaged", "refused",
          "folds/test_crossval.py::test_a_damaged_split_is_named_and_written_again_once_removed"),
    Fault("7 recipes", "--output_dir inside the data", "refused", "lies in the data folder", inside_data),
    Fault("7 recipes", "a key twice", "refused", "twice", text_fault("\nData:\n  data_dir: elsewhere\n")),
    Fault("7 recipes", "aliases that multiply", "refused", "anchors", text_fault(ALIASES), within=QUICK),
    Fault("7 recipes", "20,000 unknown keys", "refused", "20000 problems", text_fault(UNKNOWN), within=QUICK),
    Fault("7 recipes", "a pipe", "refused", "", special(os.mkfifo), within=QUICK),
    Fault("7 recipes", "/dev/zero", "refused", "", special(lambda path: path.symlink_to("/dev/zero")), within=QUICK),
    *(Fault("8 values", f"{key} {value}", "refused", key, key_fault(**{key: value})) for key, value in VALUES.items()),
    Fault("8 values", "all of these at once", "refused", f"{len(VALUES) - 1} problems", key_fault(**VALUES)),
    # one less: 99 head-only epochs are fewer than infinitely many
    Fault("8 values", "a list where a number belongs", "refused", "learning_rate", lambda bench: bench.train(
        bench.write_recipe({"learning_rate": [1, 2]})
    )),
    Fault("8 values", "fp16 with bf16", "refused", "bf16", key_fault(fp16="true", bf16="true")),
    Fault("9 names", "a newline in a class", "refused", r"\n", data_fault(lambda d: (d / "100").rename(d / "1\n00"))),
    Fault("9 names", "an escape in a file", "refused", r"\x1b", data_fault(
        lambda d: (d / "100" / "take000_chunk0000.png").rename(d / "100" / "\x1b[2J.png")
    )),
    Fault("9 names", "a file that is not UTF-8", "refused", "UTF-8", data_fault(
        lambda d: (d / "100" / "take000_chunk0000.png").rename(d / "100" / os.fsdecode(b"caf\xe9.png"))
    )),
    Fault("9 names", "a class that begins with =", "recovered", "", data_fault(
        lambda d: (d / "100").rename(d / "=1+2")
    )),
    Fault("9 names", "LC_ALL=C and a class that is not ASCII", "recovered", "", data_fault(
        lambda d: (d / "100").rename(d / "mön")
    ), environment={"LC_ALL": "C"}),
    Proof("9 names", "names that break tables and terminals, report", "recovered",
          "reporting/test_analysis.py::test_names_break_no_table_and_reach_no_terminal"),
    Proof("9 names", "cells that a spreadsheet computes", "recovered",
          "test_files.py::test_no_cell_and_no_header_is_a_formula_and_numbers_stay"),
    Fault("10 SOFA", "text called .sofa", "refused", "x.sofa", sofa_fault("x.sofa")),
    Fault("10 SOFA", "text called .SOFA", "refused", "x.SOFA", sofa_fault("x.SOFA")),
    Proof("10 SOFA", "called .txt, beside one called .sofa", "recovered",
          "audio/test_sofa_process.py::test_the_path_that_is_given_is_the_one_that_is_read"),
    Proof("10 SOFA", "it claims gigabytes", "refused",
          "audio/test_sofa_process.py::test_a_small_file_that_claims_gigabytes_is_refused_before_it_is_read"),
    Proof("10 SOFA", "it hangs", "refused",
          "audio/test_sofa_process.py::test_a_file_that_hangs_is_given_up_and_the_next_one_is_read"),
    Proof("10 SOFA", "parametric heads 43, 130, 177 at (170, -5)", "recovered",
          "audio/test_parametric.py::test_responses_are_finite_and_smooth_below_the_horizon_behind"),
    *(
        Proof("11 page", name, expect, f"app/{node}")
        for name, expect, node in (
            ("a foreign Host", "refused", "test_guard.py::test_a_foreign_host_is_refused_and_the_option_named"),
            ("a foreign Origin", "refused", "test_guard.py::test_a_page_of_another_site_is_refused"),
            ("too many bytes", "refused", "test_guard.py::test_a_file_that_is_too_large_is_refused_before_it_is_read"),
            ("too many seconds", "refused",
             "test_page.py::test_a_recording_longer_than_the_limit_is_refused_with_its_length"),
            ("too many visitors", "refused",
             "test_turns.py::test_there_is_a_last_place_and_the_refusal_says_how_many_there_are"),
            ("a picture after a long recording", "recovered",
             "test_turns.py::test_a_picture_waits_for_one_window_of_a_long_recording"),
            ("a visitor leaves", "recovered",
             "test_turns.py::test_who_left_ends_at_the_next_window_and_the_others_go_on"),
            ("an upload that is answered", "recovered", "test_page.py::test_an_upload_is_removed_once_it_is_answered"),
            ("SIGTERM with an upload", "recovered", "test_uploads.py::test_sigterm_removes_the_folder"),
        )
    ),
    Fault("12 others", "stop, and nothing of ours runs", "refused", "nothing ", run_fault(
        stop_foreign, "stop"
    )),
    Proof("12 others", "stop without a lock, a foreign process", "refused",
          "background/test_stop.py::test_without_a_lock_a_process_that_is_not_ours_gets_no_signal"),
    Fault("12 others", "export, and ONNX has no path", "recovered", "", model_fault(lambda model: None, "export"),
          check=names_no_path),
    Proof("12 others", "hidden files of a killed render", "recovered",
          "commands/test_render.py::test_a_killed_run_leaves_no_hidden_file_after_the_next"),
    Proof("12 others", "hidden files of a killed mosaic", "recovered",
          "audio/test_recordings.py::test_a_killed_run_leaves_no_hidden_file_after_the_next"),
    Fault("12 others", "a bad picture, skip_bad", "recovered", "left out (1 of 40", data_fault(
        lambda d: cut(d / "100" / "take000_chunk0000.png"), skip_bad="true"
    )),
    Fault("12 others", "a bad picture", "refused", "take000_chunk0000.png", data_fault(
        lambda d: cut(d / "100" / "take000_chunk0000.png")
    )),
    Fault("12 others", "a pipe among the pictures", "refused", "neither a file", data_fault(
        lambda d: os.mkfifo(d / "100" / "x.png")
    )),
    Fault("12 others", ".oga is read", "recovered", "", sounds_fault(".oga")),
    Proof("12 others", ".m4a and its like without ffmpeg", "refused",
          "audio/test_sound_files.py::test_without_ffmpeg_its_endings_say_what_is_missing"),
    Proof("12 others", "what ffmpeg decodes is read", "recovered",
          "audio/test_sound_files.py::test_what_ffmpeg_decodes_is_cut_into_clips_like_any_sound"),
    Proof("12 others", "an ffmpeg that stands still", "refused",
          "audio/test_sound_files.py::test_ffmpeg_that_stands_still_is_ended"),
    Proof("12 others", "files that are no sound are counted", "recovered",
          "audio/test_recordings.py::test_what_no_ending_calls_sound_is_counted"),
    Proof("13 fuzz", "seeded mutations of four kinds", "refused", "test_mutations.py"),
    Fault("14 starts", "a start that was refused, then corrected", "recovered", "", refused_before),
    Fault("14 starts", "rendered pictures without manifest.csv", "recovered", "programme", without_manifest),
    Proof("14 starts", "the shipped checkpoint learns in its own dtype", "recovered",
          "test_preparing.py::test_the_shipped_model_trains_as_from_pretrained_gives_it"),
    Fault("14 starts", "an unknown key", "refused", "learning_rate", key_fault(learning_rat=1), within=QUICK),
    Proof("14 starts", "an unknown key, before torch", "refused",
          "test_recipe_keys.py::test_a_mistyped_key_is_named_before_torch_is_imported"),
    Fault("14 starts", "train_from_scratch", "refused", "train_all_stages", key_fault(train_from_scratch="true")),
    Proof("14 starts", "the embeddings learn as stage 0", "recovered",
          "test_training.py::test_the_embeddings_learn_in_phase_2_as_stage_0"),
]  # fmt: skip
