-- Every lead is a customer to be.
with leads as (
    select * from landed.leads
)

select
    lead_no as customer_id,
    day_start(contacted_on) as first_seen_at,
    cast(null as date) as birth_date,
    cast(null as varchar) as gender,
    cast(null as varchar) as income_band,
    cast(null as varchar) as occupation,
    cast(null as varchar) as persona,
    cast(null as varchar) as country,
    cast(null as varchar) as region,
    cast(null as varchar) as city,
    cast(null as double) as latitude,
    cast(null as double) as longitude,
    origin as acquisition_source,
    -- they asked to be called
    true as is_contactable
from leads
