-- The clock. vk.clock is empty in production and the app role cannot write it, so only tests move time.
CREATE OR REPLACE FUNCTION public.vk_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
  SELECT clock_timestamp() + coalesce((SELECT make_interval(secs => c.offset_seconds) FROM vk.clock c LIMIT 1), interval '0')
$$;
