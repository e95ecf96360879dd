-- What was spent within two weeks: one order on the last day of them.
with trial as (
    select * from landed.trial
)

select
    cast(_line as varchar) as order_id,
    cast(1 as bigint) as line_no,
    cast(_line as varchar) as customer_id,
    day_start(date '2008-03-15') as ordered_at,
    cast(null as varchar) as product_id,
    cast(1 as decimal(18, 3)) as quantity,
    spend as net_amount,
    cast(null as decimal(18, 2)) as margin,
    cast(null as varchar) as channel,
    cast(null as varchar) as campaign_id
from trial
where conversion = 1
