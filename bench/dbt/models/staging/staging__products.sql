{{ config(alias='products') }}
-- The catalogue.
with catalogue as (
    select * from {{ landed('products') }}
    qualify row_number() over (partition by sku order by delivered desc) = 1
)

select
    sku as product_id,
    title as name,
    category,
    list_price as unit_price
from catalogue
