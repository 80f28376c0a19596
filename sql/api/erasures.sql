-- Erasure: whatever the database holds of a meter or vehicle goes, in one transaction. What remains says that one was erased.

CREATE FUNCTION api.forget_device(kind_of_device text, device text, operator text DEFAULT NULL)
RETURNS TABLE (relation text, row_count bigint)
LANGUAGE plpgsql SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    place record;
    -- The id as a word of its own.
    word CONSTANT text := internal.word_of_id(device);
    total bigint := 0;
BEGIN
    PERFORM internal.one_of('kind_of_device', kind_of_device, ARRAY['meter', 'vehicle']);
    PERFORM internal.lock_device(kind_of_device, device);
    -- It is no retention; and in the columnstore it decompresses what it touches.
    PERFORM
        set_config('energy.deletes_expired', 'yes', true),
        set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);
    FOR place IN
        SELECT named.relation, named.condition
        FROM internal.named_in AS named
        WHERE named.device_type = kind_of_device
        -- What triggers write down of a row that goes, goes after it.
        ORDER BY named.relation LIKE '%\_change', named.relation
    LOOP
        relation := place.relation;
        row_count := internal.erase_where(place.relation, place.condition, device);
        total := total + row_count;
        IF row_count > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
    IF total = 0 THEN
        RAISE EXCEPTION 'nothing is known of % %', kind_of_device, device
            USING ERRCODE = 'no_data_found', COLUMN = 'device';
    END IF;
    DELETE FROM telemetry.access_key AS known WHERE known.device_ids = ARRAY[device];
    UPDATE telemetry.access_key AS known
    SET device_ids = array_remove(known.device_ids, device)
    WHERE device = ANY (known.device_ids);
    FOR place IN SELECT * FROM internal.written_in LOOP
        EXECUTE format(
            'UPDATE telemetry.%1$I SET %2$I = regexp_replace(%2$I, $1, ''erased'', ''g'') WHERE %2$I ~ $1',
            place.relation, place.column_name
        )
        USING word;
    END LOOP;
    -- The service computes them again within a minute.
    DELETE FROM telemetry.report AS known WHERE known.content::text ~ word;
    INSERT INTO telemetry.erasure (device_type, operator)
    VALUES (kind_of_device, regexp_replace(operator, word, 'erased', 'g'));
    PERFORM set_config('energy.deletes_expired', '', true);
END
$$;

COMMENT ON FUNCTION api.forget_device(text, text, text) IS
'Erases a meter or vehicle (kind_of_device): readings, rollups, live state, its registration, assignments, events, decisions, corrections, conflicts, and the records of their changes; where people wrote its id into a note, the note says erased. Returns how many rows went from which relation. api.erasure keeps that it happened. Error P0002: nothing is known of it.';

CREATE VIEW api.erasure AS
SELECT erased.id, erased.device_type, erased.erased_at, erased.database_role, erased.operator
FROM internal.erasure AS erased;
