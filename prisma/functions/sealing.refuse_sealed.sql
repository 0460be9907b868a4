-- What is sealed stays. This binds every role that has not first taken the trigger away, the sealer included.
CREATE OR REPLACE FUNCTION sealing.refuse_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit event %/% is sealed', OLD.tenant_id, OLD.seq USING ERRCODE = 'restrict_violation';
END $$;
REVOKE EXECUTE ON FUNCTION sealing.refuse_sealed() FROM PUBLIC;
