"""What the page says, by name; a language fills every field, so that none can be forgotten."""

from dataclasses import dataclass

from assistant.drafting import Reason
from knowledge.base import Stage
from knowledge.ranking import Mode


@dataclass(frozen=True, slots=True)
class Texts:
    """All words of the page in one language; `{}` marks stand for names and numbers."""

    code: str
    name: str
    other: str
    other_code: str
    other_path: str

    chat: str
    settings: str
    close: str
    new_chat: str
    send: str
    stop: str
    ask_base: str
    ask_heading: str
    ask_welcome: str
    knowledge_base: str
    mode: str
    modes: dict[str, str]

    welcome: str
    welcome_steps: tuple[str, str, str]
    samples: tuple[str, str, str]
    reading_sample: str
    empty_base: str

    temperature: str
    top_p: str
    top_k: str
    max_new_tokens: str
    repetition_penalty: str
    system_prompt: str
    system_prompt_hint: str
    retrieval_depth: str
    retrieval_depth_hint: str
    strict: str
    strict_hint: str
    follow: str
    follow_hint: str
    settings_note: str

    model: str
    model_path: str
    model_path_hint: str
    model_look: str
    model_looking: str
    model_change: str
    model_beside: str
    model_instead: str
    model_unknown: str
    model_light: str
    model_no_room: str
    model_kept: str
    model_changed: str
    not_administrator: str

    sources: str
    no_sources: str
    not_used: str
    score: str
    page: str
    line: str
    lines: str
    searched_for: str
    open_source: str
    source_opening: str
    source_page: str
    source_previous: str
    source_next: str
    source_earlier: str
    source_later: str
    source_lost: str
    source_lost_page: str
    source_gone: str
    source_failed: str
    source_original: str
    saw: str
    saw_nothing: str
    saw_retrieval: str
    saw_no_model: str
    saw_gone: str
    parts: dict[str, str]
    context: str
    context_of: str
    left_out_turns: str
    left_out_passages: str

    facts_sources: str
    facts_tokens: str
    facts_speed: str
    facts_first: str
    facts_waited: str
    facts_cached: str
    waiting: str
    reading_part: str
    merging: str
    coverage: str
    coverage_listed: str
    next_in_line: str
    in_line: str
    about: str
    seconds: str
    minutes: str
    too_many_of_yours: str
    server_full: str
    waited_too_long: str
    stopping: str
    stopped: str
    interrupted: str
    failed: str
    no_citation: str
    not_told: str
    general: str
    nearest: str
    matched: str
    invalid_citation: str

    no_model: str
    model_loading: str
    model_failed: str
    embedder_loading: str

    new_base: str
    new_base_name: str
    create: str
    cancel: str
    delete_base: str
    base_facts: str
    base_gone: str
    document_gone: str
    find_document: str
    more_documents: str
    none_named: str
    drop: str
    vectorize_one: str
    vectorize: str
    vectorize_none: str
    documents: str
    no_documents: str
    document: str
    stage: str
    passages: str
    time: str
    actions: str
    stages: dict[Stage, str]
    reasons: dict[str, str]
    trying_again: str
    try_now: str
    delete: str
    retry: str
    dismiss: str
    confirm_delete: str
    confirm_delete_base: str

    rebuild: str
    rebuild_needed: str
    rebuild_by_words: str
    rebuild_takes: str
    rebuild_failed: str
    rebuilding: str
    by_words: str
    backup: str
    backing_up: str
    backed_up: str

    retry_all: str
    passages_link: str
    no_passages: str
    passages_facts: str
    open_short: str
    shared: str
    tokens: str
    previous: str
    next: str
    of: str
    switch_off: str
    switch_on: str
    passage_number: str
    switched_off: str
    switched_off_count: str
    switched_off_hint: str

    try_retrieval: str
    try_hint: str
    try_nothing: str
    search: str
    search_by: str
    search_modes: dict[Mode, str]
    how_many: str
    least_score: str
    under_least: str
    nothing_found: str
    found_facts: str
    evidence: str
    would_refuse: str
    as_call: str
    scores: dict[str, str]
    keep_question: str
    question_kept: str

    evaluate: str
    evaluate_none: str
    evaluate_many: str
    evaluating: str
    from_file: str
    questions_added: str
    questions_known: str
    files_unknown: str
    questions_count: str
    no_questions: str
    question: str
    should_find: str
    nothing_answers: str
    and_more: str
    run_one: str
    run_other: str
    measure: str
    measures: dict[str, str]
    difference: str
    differences: str
    late: str
    place: str
    not_found: str

    draft: str
    draft_documents: str
    draft_count: str
    draft_all: str
    draft_hint: str
    draft_nowhere: str
    drafting: str
    drafted: str
    draft_nothing_to_ask: str
    thrown: str
    thrown_for: dict[Reason, str]
    draft_too_small: str
    draft_stopped: str
    draft_question: str
    draft_empty: str
    approve: str
    approved: str
    drop_draft: str
    drafts_left: str

    keys: str
    shortcuts: tuple[tuple[str, str], ...]
