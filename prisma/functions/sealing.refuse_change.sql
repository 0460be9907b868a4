-- What is appended stays: events, sealed or not, and their chain. This binds every role that has not first taken the trigger
-- away, the sealer included.
CREATE OR REPLACE FUNCTION sealing.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
REVOKE EXECUTE ON FUNCTION sealing.refuse_change() FROM PUBLIC;
