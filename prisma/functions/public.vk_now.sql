-- The clock. vk.clock is empty in production and the app role cannot write it, so only tests move time. PL/pgSQL, whose plan
-- is kept: it is asked several times in every use through the proxy.
CREATE OR REPLACE FUNCTION public.vk_now() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN clock_timestamp() + coalesce((SELECT make_interval(secs => c.offset_seconds) FROM vk.clock c LIMIT 1), interval '0');
END $$;
