-- Hashes and addresses are blobs of 32 and 20 bytes, amounts decimal text, local times milliseconds, chain times seconds.
-- States carry the names of zkpool_protocol::TaskState and JobState.

-- One row: whose database this is.
CREATE TABLE meta (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    chain_id INTEGER NOT NULL,
    pool BLOB NOT NULL,
    operator BLOB NOT NULL,
    -- where the follower stands, as it writes it; and the last block it has seen
    cursor BLOB,
    head_number INTEGER NOT NULL DEFAULT 0,
    head_timestamp INTEGER NOT NULL DEFAULT 0,
    -- misses before this time do not count for the circuit breaker
    breaker_reset_at INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE uploads (
    who BLOB NOT NULL,
    blob BLOB NOT NULL,
    size INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (who, blob)
) STRICT, WITHOUT ROWID;

CREATE INDEX uploads_by_blob ON uploads (blob);

CREATE TABLE programs (
    id BLOB PRIMARY KEY,
    -- as the manifest names it, with its parts
    kind TEXT NOT NULL,
    zkey BLOB,
    witness_generator BLOB,
    guest BLOB,
    image_id BLOB,
    enclave BLOB,
    verifying_key BLOB NOT NULL,
    units INTEGER NOT NULL,
    memory INTEGER NOT NULL,
    public_inputs INTEGER NOT NULL,
    registered_by BLOB NOT NULL,
    at INTEGER NOT NULL,
    CHECK (
        (kind = 'groth16-bn254' AND zkey IS NOT NULL)
        OR (kind = 'risc0' AND guest IS NOT NULL AND image_id IS NOT NULL)
        OR (kind = 'sgx' AND enclave IS NOT NULL)
        OR kind = 'bundle'
    )
) STRICT, WITHOUT ROWID;

-- What a bundle consists of, in order.
CREATE TABLE program_legs (
    program BLOB NOT NULL REFERENCES programs (id),
    place INTEGER NOT NULL,
    leg_program BLOB NOT NULL REFERENCES programs (id),
    leg_kind TEXT NOT NULL,
    PRIMARY KEY (program, place)
) STRICT, WITHOUT ROWID;

-- Pairs of verifier and program that were seen to belong together: a proof was accepted.
CREATE TABLE verified_programs (
    verifier BLOB NOT NULL,
    program BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (verifier, program)
) STRICT, WITHOUT ROWID;

-- Inputs that passed the preflight.
CREATE TABLE inputs (
    blob BLOB PRIMARY KEY,
    program BLOB NOT NULL REFERENCES programs (id),
    units INTEGER NOT NULL,
    memory INTEGER NOT NULL,
    statement BLOB NOT NULL,
    -- words of 32 bytes
    public_inputs BLOB NOT NULL,
    -- a trial proof was made and verified
    tried INTEGER NOT NULL,
    -- of a zkVM program: what it made public, and its own cycles
    journal BLOB,
    cycles INTEGER,
    at INTEGER NOT NULL,
    CHECK ((journal IS NULL) = (cycles IS NULL))
) STRICT, WITHOUT ROWID;

-- What an envelope names besides the program, in order: a witness, standard input and assumptions, an enclave's input, or
-- the envelopes of a bundle's legs.
CREATE TABLE input_blobs (
    input BLOB NOT NULL REFERENCES inputs (blob),
    place INTEGER NOT NULL,
    blob BLOB NOT NULL,
    PRIMARY KEY (input, place)
) STRICT, WITHOUT ROWID;

-- How many segments of each size an execution is cut into, for each limit that was tried (powers of two of cycles).
CREATE TABLE input_segments (
    input BLOB NOT NULL REFERENCES inputs (blob),
    segment_limit INTEGER NOT NULL,
    po2 INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (input, segment_limit, po2)
) STRICT, WITHOUT ROWID;

CREATE TABLE tasks (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    role TEXT NOT NULL,
    state TEXT NOT NULL,
    -- grows with every change of the task, its jobs and leases
    version INTEGER NOT NULL DEFAULT 1,
    request BLOB NOT NULL,
    attempt INTEGER NOT NULL,
    payer BLOB NOT NULL,
    program BLOB NOT NULL,
    kind TEXT NOT NULL,
    -- what was asked for
    requester BLOB NOT NULL,
    target BLOB NOT NULL,
    encoder BLOB NOT NULL,
    verifier BLOB NOT NULL,
    call_prefix BLOB NOT NULL,
    call_suffix BLOB NOT NULL,
    call_done_check BLOB NOT NULL,
    call_gas INTEGER NOT NULL,
    wanted_statement BLOB,
    input BLOB NOT NULL,
    proof_window INTEGER NOT NULL,
    liability_window INTEGER NOT NULL,
    reward_token BLOB NOT NULL,
    max_reward TEXT,
    liability_token BLOB NOT NULL,
    liability TEXT NOT NULL,
    bond TEXT NOT NULL,
    burn TEXT NOT NULL,
    -- how its jobs are to be handed out, if the requester says so; as zkpool_protocol::Strategy is written
    wanted_strategy TEXT,
    -- what it would cost, and how its jobs are handed out for that
    price_work TEXT,
    price_gas TEXT,
    price_premium TEXT,
    price_units INTEGER,
    strategy TEXT,
    expected_ms INTEGER,
    -- why it was not quoted
    refusal_code TEXT,
    refusal_message TEXT,
    -- the quote: what the operator added to the wish
    id BLOB UNIQUE,
    operator BLOB,
    slot INTEGER,
    valid_until INTEGER,
    reward TEXT,
    advance TEXT,
    honour TEXT,
    statement BLOB,
    salt BLOB,
    signature BLOB,
    -- the slot of this operator that is taken up by it
    own_slot INTEGER,
    -- on chain; each fact with the height that said it
    published_block INTEGER,
    published_at INTEGER,
    proof_deadline INTEGER,
    liability_deadline INTEGER,
    rescue_block INTEGER,
    rescuer BLOB,
    rescuer_slot INTEGER,
    rescue_at INTEGER,
    novated_block INTEGER,
    ended_block INTEGER,
    ended TEXT,
    -- the work: the largest segment (power of two of cycles) of one whose graph grows; whether the graph is complete;
    -- the receipt of all of it; the proof that the contract takes
    segment_limit INTEGER,
    -- jobs before this one were left by runs of the program that broke off
    first_job INTEGER NOT NULL DEFAULT 0,
    planned INTEGER NOT NULL DEFAULT 0,
    receipt BLOB,
    proof BLOB,
    -- a leg: of which bundle, which of its legs, which try; whether no prover may work on two legs; whether this try was
    -- asked for because legs disagree
    bundle INTEGER REFERENCES tasks (key),
    leg INTEGER,
    round INTEGER,
    independent INTEGER,
    dissent INTEGER NOT NULL DEFAULT 0,
    failed_submissions INTEGER NOT NULL DEFAULT 0,
    retry_at INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    UNIQUE (request, attempt),
    UNIQUE (bundle, leg, round),
    CHECK ((id IS NULL) = (salt IS NULL)),
    CHECK ((role = 'leg') = (bundle IS NOT NULL AND leg IS NOT NULL AND round IS NOT NULL AND independent IS NOT NULL))
) STRICT;

CREATE INDEX tasks_by_state ON tasks (state);
CREATE INDEX tasks_by_payer ON tasks (payer, state);
CREATE INDEX tasks_by_input ON tasks (input);
CREATE INDEX tasks_by_receipt ON tasks (receipt) WHERE receipt IS NOT NULL;
-- One live quote per slot, whatever the code above believes.
CREATE UNIQUE INDEX one_quote_per_slot ON tasks (liability_token, own_slot) WHERE state IN ('quoted', 'announcing');

-- Who takes up which slot of this operator.
CREATE VIEW slot_holders AS
SELECT
    key,
    liability_token AS token,
    own_slot,
    ended_block,
    state IN ('quoted', 'announcing', 'published', 'proving', 'proven', 'submitting', 'missed') AS holds
FROM tasks
WHERE own_slot IS NOT NULL;

CREATE TABLE task_log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    task INTEGER NOT NULL REFERENCES tasks (key),
    at INTEGER NOT NULL,
    from_state TEXT,
    to_state TEXT NOT NULL,
    note TEXT
) STRICT;

CREATE INDEX task_log_by_task ON task_log (task, seq);

CREATE TABLE jobs (
    task INTEGER NOT NULL REFERENCES tasks (key),
    idx INTEGER NOT NULL,
    state TEXT NOT NULL,
    operation TEXT NOT NULL,
    kind TEXT NOT NULL,
    program BLOB NOT NULL,
    input BLOB,
    statement BLOB,
    units INTEGER NOT NULL,
    memory INTEGER NOT NULL,
    -- the newest fencing token
    last_token INTEGER NOT NULL DEFAULT 0,
    ready_at INTEGER,
    result BLOB,
    done_by BLOB,
    done_by_device TEXT,
    proving_ms INTEGER,
    PRIMARY KEY (task, idx)
) STRICT, WITHOUT ROWID;

CREATE INDEX jobs_by_state ON jobs (state);
CREATE INDEX jobs_by_input ON jobs (input) WHERE input IS NOT NULL;

CREATE TABLE job_needs (
    task INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    -- in the order in which the job takes them
    place INTEGER NOT NULL,
    needs INTEGER NOT NULL,
    PRIMARY KEY (task, idx, place),
    FOREIGN KEY (task, idx) REFERENCES jobs (task, idx)
) STRICT, WITHOUT ROWID;

CREATE INDEX job_needs_by_needed ON job_needs (task, needs);

CREATE TABLE leases (
    task INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    token INTEGER NOT NULL,
    prover BLOB NOT NULL,
    device TEXT NOT NULL,
    granted_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- what the job earns under this lease, in the task's reward token, if the operator pays out of tranches
    pay TEXT,
    seen_at INTEGER NOT NULL,
    progress REAL NOT NULL DEFAULT 0,
    stage TEXT NOT NULL DEFAULT '',
    ended TEXT,
    ended_at INTEGER,
    note TEXT,
    PRIMARY KEY (task, idx, token),
    FOREIGN KEY (task, idx) REFERENCES jobs (task, idx)
) STRICT, WITHOUT ROWID;

CREATE INDEX leases_by_prover ON leases (prover, device) WHERE ended IS NULL;

-- Jobs and leases as the outside names them: by the task's id.
CREATE VIEW job_rows AS
SELECT
    jobs.*,
    tasks.id AS task_id,
    tasks.state AS task_state,
    (SELECT bundle.id FROM tasks AS bundle WHERE bundle.key = tasks.bundle) AS bundle_id,
    tasks.leg AS leg,
    tasks.independent AS independent,
    tasks.proof_deadline AS proof_deadline,
    tasks.liability_deadline AS liability_deadline,
    tasks.strategy AS strategy,
    tasks.reward_token AS reward_token,
    (
        SELECT group_concat(needs)
        FROM (SELECT n.needs FROM job_needs AS n WHERE n.task = jobs.task AND n.idx = jobs.idx ORDER BY n.place)
    ) AS needs
FROM jobs JOIN tasks ON tasks.key = jobs.task;

-- Who must not get a job of a leg: whoever works, or has worked, on another leg of its bundle, where provers are to be
-- independent of each other; and whoever has made this leg before a disagreement for which it is being repeated. (The segments
-- of a zkVM leg are held to the service's own execution, whoever proves them.) A line may come more than once.
CREATE VIEW leg_exclusions AS
SELECT mine.key AS task, leases.prover
FROM tasks AS mine
JOIN tasks AS other ON other.bundle = mine.bundle AND other.key != mine.key
JOIN leases ON leases.task = other.key AND (leases.ended IS NULL OR leases.ended = 'done')
WHERE CASE other.leg
    WHEN mine.leg THEN mine.kind NOT LIKE 'risc0%' AND EXISTS (
        SELECT 1 FROM tasks AS since
        WHERE since.bundle = mine.bundle AND since.leg = mine.leg
            AND since.round > other.round AND since.round <= mine.round AND since.dissent
    )
    ELSE mine.independent
END;

CREATE VIEW lease_rows AS
SELECT leases.*, tasks.id AS task_id FROM leases JOIN tasks ON tasks.key = leases.task;

-- A job never returns to a prover that failed at it.
CREATE TABLE job_exclusions (
    task INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    prover BLOB NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (task, idx, prover),
    FOREIGN KEY (task, idx) REFERENCES jobs (task, idx)
) STRICT, WITHOUT ROWID;

-- What members of a committee have signed for a task's receipt: one line each.
CREATE TABLE attestations (
    task INTEGER NOT NULL REFERENCES tasks (key),
    signer BLOB NOT NULL,
    -- whether it is of the receipt; otherwise it is kept as evidence against its signer
    honest INTEGER NOT NULL,
    image_id BLOB NOT NULL,
    journal_digest BLOB NOT NULL,
    receipt_hash BLOB NOT NULL,
    signature BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (task, signer, honest)
) STRICT, WITHOUT ROWID;

CREATE TABLE provers (
    address BLOB NOT NULL,
    device TEXT NOT NULL,
    cpus INTEGER NOT NULL,
    memory INTEGER NOT NULL,
    concurrency INTEGER NOT NULL,
    -- it works whether or not anything is set apart for it
    unpaid INTEGER NOT NULL,
    joined INTEGER NOT NULL,
    -- when it joined first
    joined_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    misses INTEGER NOT NULL DEFAULT 0,
    excluded_until INTEGER NOT NULL DEFAULT 0,
    window_ms INTEGER NOT NULL DEFAULT 0,
    is_out INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (address, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE prover_speeds (
    address BLOB NOT NULL,
    device TEXT NOT NULL,
    kind TEXT NOT NULL,
    units_per_second REAL NOT NULL,
    -- what it asks for a million work units, in wei, if it asks for something in particular
    ask TEXT,
    PRIMARY KEY (address, device, kind),
    FOREIGN KEY (address, device) REFERENCES provers (address, device)
) STRICT, WITHOUT ROWID;

-- Each prover, and whether any device of its address is out.
CREATE VIEW prover_rows AS
SELECT mine.*, EXISTS (
    SELECT 1 FROM provers AS other WHERE other.address = mine.address AND other.is_out
) AS address_is_out
FROM provers AS mine;

-- The SGX programs that a prover has enclaves of.
CREATE TABLE prover_enclaves (
    address BLOB NOT NULL,
    device TEXT NOT NULL,
    enclave BLOB NOT NULL,
    PRIMARY KEY (address, device, enclave),
    FOREIGN KEY (address, device) REFERENCES provers (address, device)
) STRICT, WITHOUT ROWID;

-- What bond an address has to have since it was put out; others what the operator asks of everybody.
CREATE TABLE bonds_asked (
    prover BLOB PRIMARY KEY,
    -- to be given work; null: what everybody is asked for
    amount TEXT,
    -- to be let in again; null: it is in, or the ledger was not asked yet
    to_return TEXT
) STRICT, WITHOUT ROWID;

-- Slots of this operator, as far as the chain does not say it itself: when each was opened.
CREATE TABLE slots (
    token BLOB NOT NULL,
    idx INTEGER NOT NULL,
    opened_block INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    PRIMARY KEY (token, idx)
) STRICT, WITHOUT ROWID;

-- What the senders must not forget; states as zkpool_chain::TxState names them.
CREATE TABLE transactions (
    purpose TEXT PRIMARY KEY,
    -- the task that the purpose names, if it names one
    task BLOB,
    position INTEGER NOT NULL,
    sender BLOB NOT NULL,
    recipient BLOB NOT NULL,
    value TEXT NOT NULL,
    data BLOB NOT NULL,
    gas INTEGER,
    -- when set, the deadline that makes it urgent
    urgent_by INTEGER,
    not_after INTEGER,
    nonce INTEGER,
    state TEXT NOT NULL,
    receipt_hash BLOB,
    receipt_block INTEGER,
    receipt_block_hash BLOB,
    receipt_success INTEGER,
    receipt_gas_used INTEGER,
    receipt_gas_price TEXT,
    failure_kind TEXT,
    failure_reason TEXT,
    failure_error TEXT,
    complaint TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX transactions_open ON transactions (sender, state);
CREATE INDEX transactions_by_nonce ON transactions (sender, nonce);
CREATE INDEX transactions_by_task ON transactions (task) WHERE task IS NOT NULL;

CREATE TABLE transaction_attempts (
    purpose TEXT NOT NULL REFERENCES transactions (purpose),
    idx INTEGER NOT NULL,
    hash BLOB NOT NULL,
    nonce INTEGER NOT NULL,
    raw BLOB NOT NULL,
    max_fee TEXT NOT NULL,
    priority_fee TEXT NOT NULL,
    signed_at INTEGER NOT NULL,
    cancels INTEGER NOT NULL,
    PRIMARY KEY (purpose, idx)
) STRICT, WITHOUT ROWID;

-- From what a task's jobs are paid: fixed before the first of them is given out.
CREATE TABLE task_pay (
    task INTEGER PRIMARY KEY REFERENCES tasks (key),
    token BLOB NOT NULL,
    reward TEXT NOT NULL,
    share INTEGER NOT NULL,
    units INTEGER NOT NULL
) STRICT;

-- The operator's tranches, by their index on chain; states as zkpool_store::TrancheStatus names them.
CREATE TABLE tranches (
    idx INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    token BLOB NOT NULL,
    signer BLOB NOT NULL,
    root BLOB NOT NULL,
    total TEXT NOT NULL,
    planned_at INTEGER NOT NULL,
    -- when closing, the second from which on it can be reclaimed
    closes_at INTEGER
) STRICT;

-- What each prover may be paid out of a tranche, in the order of the tranche's tree.
CREATE TABLE caps (
    tranche INTEGER NOT NULL REFERENCES tranches (idx) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    prover BLOB NOT NULL,
    amount TEXT NOT NULL,
    PRIMARY KEY (tranche, place),
    UNIQUE (tranche, prover)
) STRICT, WITHOUT ROWID;

CREATE INDEX caps_of_provers ON caps (prover);

-- One line for each result that earns something: the receipt, and what the voucher after it says. Never changed.
CREATE TABLE earnings (
    tranche INTEGER NOT NULL REFERENCES tranches (idx),
    prover BLOB NOT NULL,
    -- how many receipts the chain has with this one
    count INTEGER NOT NULL,
    task INTEGER NOT NULL REFERENCES tasks (key),
    task_id BLOB NOT NULL,
    idx INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    output BLOB NOT NULL,
    units INTEGER NOT NULL,
    amount TEXT NOT NULL,
    previous BLOB NOT NULL,
    -- all that the chain comes to with this one
    earned TEXT NOT NULL,
    head BLOB NOT NULL,
    -- the prover's, over its result
    signature BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (tranche, prover, count),
    UNIQUE (task_id, idx, fence)
) STRICT, WITHOUT ROWID;

CREATE INDEX earnings_of_provers ON earnings (prover);
