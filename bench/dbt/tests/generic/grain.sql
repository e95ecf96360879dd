{% test grain(model, columns) %}
select {{ columns | join(", ") or "count(*)" }}
from {{ model }}
{% if columns %}group by {{ columns | join(", ") }}{% endif %}
having count(*) > 1
{% endtest %}
