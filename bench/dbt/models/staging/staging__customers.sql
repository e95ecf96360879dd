{{ config(alias='customers') }}
-- Profiles. A deleted profile keeps its number and loses the rest: it may not
-- be contacted.
with profiles as (
    select * from {{ landed('customers') }}
    qualify row_number() over (partition by customer_no order by delivered desc) = 1
)

select
    customer_no as customer_id,
    created_at as first_seen_at,
    birth_date,
    gender,
    income_band,
    occupation,
    persona,
    country,
    region,
    city,
    latitude,
    longitude,
    source as acquisition_source,
    case when status = 'deleted' then false else may_contact end
        as is_contactable
from profiles
